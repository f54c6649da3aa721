"""What several experiments share. No chapter of its own, since nothing here has `units` or `estimates`."""

from fairlib.book.experiments.shared.countries import accuracy_of, country_draws, percentiles, slope_of
from fairlib.book.experiments.shared.intervals import difference, exact, interval, mean, more_often, with_images
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
    equally_wide,
    trainings,
)

__all__ = [
    "BATCH", "IMAGES", "METHODS", "PAIRS", "SEEDS", "accuracy_of", "answers", "attacked", "country_draws",
    "difference", "distances", "equally_wide", "exact", "interval", "largest", "mean", "more_often", "of_kind",
    "origin", "percentiles", "recorded", "slope_of", "trainings", "with_images",
]  # fmt: skip
