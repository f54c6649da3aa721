"""What the first paper leaves open: each choice that its text, or our reading of its released code, does not settle,
switched the other way, one at a time.

The choices themselves are `data/tables/ambiguities.csv`; its column `variants` names the switches that measure a row.
"""

from fairlib import checks, data, training
from fairlib.book.experiments.ambiguities.records import accuracies, effects, estimates, recall
from fairlib.book.experiments.ambiguities.retrained import one_pool, printed_rule
from fairlib.book.experiments.ambiguities.variants import (
    RELABELLED,
    centroid_sets,
    decisions,
    own_images,
    strangers,
    switches,
)
from fairlib.book.experiments.future_work import EPS
from fairlib.book.experiments.shared import IMAGES, METHODS, PAIRS

__all__ = [
    "EPS", "METHODS", "PAIRS", "RELABELLED", "accuracies", "centroid_sets", "decisions", "effects", "estimates",
    "recall", "run", "strangers", "units",
]  # fmt: skip


def units(profile: str) -> list[dict]:
    """Per network and data set every switch over ten trainings; LeNet with one pool; the printed rule of training where
    it differs from the released one; MNIST's centroid sets against the test images among them."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    longer = [("FullyConnected", "MNIST"), *(("LeNet5", name) for name in data.DATASETS)]
    return [
        *({"what": "switches", "network": n, "dataset": d, "images": images} for n, d in PAIRS),
        *({"what": "one pool", "network": "LeNet5", "dataset": d, "images": 10_000} for d in data.DATASETS),
        *({"what": "printed rule", "network": n, "dataset": d, "images": 10_000} for n, d in longer),
        *({"what": "own images", "network": n, "dataset": "MNIST", "images": 10_000} for n in training.RELEASED_EPOCHS),
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """One unit; its `rows` count the images that come out right, in lists over `EPS`."""
    kinds = {"switches": switches, "one pool": one_pool, "printed rule": printed_rule, "own images": own_images}
    return {"rows": kinds[checks.one_of(what, tuple(kinds), "what")](network, dataset, images)}
