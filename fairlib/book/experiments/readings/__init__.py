"""The first paper read otherwise: switches thrown two at a time, Algorithm 1 as its text prints it, and what the text
says that no table prints.

`centroid_defense` and others turn the records into estimates.
"""

from fairlib import checks
from fairlib.book.experiments import shared
from fairlib.book.experiments.readings.printed import EPS, as_printed
from fairlib.book.experiments.readings.records import accuracies, counts, text, tops
from fairlib.book.experiments.readings.switches import CALLED, options, pairs
from fairlib.book.experiments.shared import IMAGES, PAIRS

__all__ = ["CALLED", "EPS", "accuracies", "counts", "options", "run", "text", "tops", "units"]


def units(profile: str) -> list[dict]:
    """Per network and data set: ten trainings, each with its own test images."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    return [{"network": network, "dataset": name, "images": images} for network, name in PAIRS]


def run(*, network: str, dataset: str, images: int) -> dict:
    """How many of `images` test images come out right: `rows` of `seed` and those of `pairs` and of `as_printed`.

    The seed names the training and its draw of images.
    """
    rows = []
    for seed, model, test in shared.trainings(network, dataset, images):
        rows += [{"seed": seed} | row for row in (*pairs(model, dataset, *test), *as_printed(model, dataset, *test))]
    return {"rows": rows}
