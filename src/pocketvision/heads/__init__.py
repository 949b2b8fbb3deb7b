"""What a task adds to the trunk. HEADS lists the kinds that files may name."""

from pocketvision.heads.classifier import Classifier, ClassifierHead, Dense

HEADS: dict[str, type] = {"Classifier": Classifier, "Dense": Dense}

__all__ = ["HEADS", "Classifier", "ClassifierHead", "Dense"]
