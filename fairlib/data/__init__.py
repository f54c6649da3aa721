"""Data sets: the official images with what the first paper took from them, photographs, published tables."""

from fairlib.data.official import CLASSES, DATASETS, SHAPE, SPLITS, alphas, centroids, load, train_validation
from fairlib.data.photos import credits, photographs
from fairlib.data.tables import table

__all__ = [
    "CLASSES",
    "DATASETS",
    "SHAPE",
    "SPLITS",
    "alphas",
    "centroids",
    "credits",
    "load",
    "photographs",
    "table",
    "train_validation",
]
