"""SqueezeNet's classifier (arXiv 1602.07360, table 1): dropout, 1x1 convolution to the classes, ReLU, pooling."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class ConvClassifier:
    """No dense layer: the last convolution has a map for each class, and its average is the answer."""

    classes: int
    dropout: float = 0.5

    def build(self, cin: int) -> ConvClassifierHead:
        return ConvClassifierHead(cin, self.classes, self.dropout)


class ConvClassifierHead(nn.Module):
    """N x cin x H x W feature map -> N x classes logits, none below 0."""

    def __init__(self, cin: int, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(cin, classes, 1)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(self.act(self.classifier(self.dropout(x)))).flatten(1)
        return y
