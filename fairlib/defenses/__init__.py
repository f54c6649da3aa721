"""Defences at inference time: the first paper's centroids, and the compressions that the second one attacks."""

from fairlib.defenses.centroid import NOBODY, CentroidDefense
from fairlib.defenses.compression import SUBSAMPLINGS, bit_depth, jpeg

__all__ = ["NOBODY", "SUBSAMPLINGS", "CentroidDefense", "bit_depth", "jpeg"]
