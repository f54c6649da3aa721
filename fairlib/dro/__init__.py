"""Training on the worst case: the adversarial data set and the training on it (second paper, Algorithms 2 and 3)."""

from fairlib.dro.algorithm2 import Attack, adversarial_data
from fairlib.dro.algorithm3 import train, train_many
from fairlib.dro.descent import Diverged
from fairlib.dro.store import load
from fairlib.dro.weighting import SCALINGS, WeightedImages, sample, sampling_weights

__all__ = [
    "SCALINGS",
    "Attack",
    "Diverged",
    "WeightedImages",
    "adversarial_data",
    "load",
    "sample",
    "sampling_weights",
    "train",
    "train_many",
]
