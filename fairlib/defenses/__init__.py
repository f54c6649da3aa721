"""Defences at inference time."""

from fairlib.defenses.centroid import CentroidDefense

__all__ = ["CentroidDefense"]
