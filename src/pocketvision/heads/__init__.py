"""What a task adds to the trunk. HEADS lists the kinds that files may name."""

from pocketvision.heads.classifier import Classifier, ClassifierHead, Dense
from pocketvision.heads.convolutional import ConvClassifier, ConvClassifierHead

HEADS: dict[str, type] = {"Classifier": Classifier, "Dense": Dense, "ConvClassifier": ConvClassifier}

__all__ = ["HEADS", "Classifier", "ClassifierHead", "ConvClassifier", "ConvClassifierHead", "Dense"]
