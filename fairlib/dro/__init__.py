"""Training on the worst case: the adversarial data set and the training on it (second paper, Algorithms 2 and 3)."""

from fairlib.dro.algorithm2 import Attack, adversarial_data
from fairlib.dro.algorithm3 import train, train_many
from fairlib.dro.descent import Diverged
from fairlib.dro.store import load
from fairlib.dro.weighting import SCALINGS, WeightedImages, sample, sampling_weights
from fairlib.dro.yardsticks import (
    GroupDRO,
    Objective,
    balancing_weights,
    fine_tune,
    focal,
    group_step,
    plain,
    weighted,
)

__all__ = [
    "SCALINGS",
    "Attack",
    "Diverged",
    "GroupDRO",
    "Objective",
    "WeightedImages",
    "adversarial_data",
    "balancing_weights",
    "fine_tune",
    "focal",
    "group_step",
    "load",
    "plain",
    "sample",
    "sampling_weights",
    "train",
    "train_many",
    "weighted",
]
