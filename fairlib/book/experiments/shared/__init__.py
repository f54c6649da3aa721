"""What several experiments share. No chapter of its own, since nothing here has `units` or `estimates`."""

from fairlib.book.experiments.shared.intervals import difference, exact, interval, mean, more_often
from fairlib.book.experiments.shared.records import largest, of_kind, origin, recorded
from fairlib.book.experiments.shared.setting import (
    BATCH,
    IMAGES,
    METHODS,
    PAIRS,
    SEEDS,
    answers,
    attacked,
    distances,
    trainings,
)

__all__ = [
    "BATCH", "IMAGES", "METHODS", "PAIRS", "SEEDS", "answers", "attacked", "difference", "distances", "exact",
    "interval", "largest", "mean", "more_often", "of_kind", "origin", "recorded", "trainings",
]  # fmt: skip
