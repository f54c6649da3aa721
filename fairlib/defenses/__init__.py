"""Defences: the first paper's centroids, the compressions that the second one attacks, and what else one could do."""

from fairlib.defenses.adversarial import adversarial_training
from fairlib.defenses.blur import Blurred
from fairlib.defenses.centroid import NOBODY, CentroidDefense
from fairlib.defenses.compression import SUBSAMPLINGS, bit_depth, jpeg
from fairlib.defenses.interval import (
    Box,
    around,
    certified,
    interval_bounds,
    interval_leads,
    interval_training,
    linears,
)
from fairlib.defenses.randomised import ABSTAINED, at_least, smoothed
from fairlib.defenses.sure_votes import certified_votes, distance_bounds

__all__ = [
    "ABSTAINED", "NOBODY", "SUBSAMPLINGS", "Blurred", "Box", "CentroidDefense", "adversarial_training", "around",
    "at_least", "bit_depth", "certified", "certified_votes", "distance_bounds", "interval_bounds", "interval_leads",
    "interval_training", "jpeg", "linears", "smoothed",
]  # fmt: skip
