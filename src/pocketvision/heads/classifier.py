"""Classification: global average pool, dense layers of the family (V3 has one), dropout, linear."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, activation


@dataclass(frozen=True)
class Dense:
    """A dense layer between pooling and classifier (MobileNetV3's 1280, "conv2d 1x1, NBN" in its tables)."""

    out: int
    act: Activation


@dataclass(frozen=True)
class Classifier:
    """Rows after pooling, the dropout before the last layer, and the number of classes."""

    classes: int
    dense: tuple[Dense, ...] = ()
    dropout: float = 0.2

    def build(self, cin: int) -> ClassifierHead:
        return ClassifierHead(cin, self.classes, self.dense, self.dropout)


class ClassifierHead(nn.Module):
    """N x cin x H x W feature map -> N x classes logits."""

    def __init__(self, cin: int, classes: int, dense: tuple[Dense, ...] = (), dropout: float = 0.2) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dense = nn.Sequential()
        for row in dense:
            self.dense.append(nn.Sequential(nn.Linear(cin, row.out), activation(row.act)))
            cin = row.out
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(cin, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.dense(self.pool(x).flatten(1))))
