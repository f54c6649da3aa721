"""Which training is shipped, and that the shipped file holds it."""

import pandas as pd
import pytest

from fairlib import checkpoints, data, files, runtime, training
from fairlib.book.experiments import shared
from fairlib.book.experiments import training as chapter


def test_the_training_nearest_the_mean_is_typical(monkeypatch):
    values = [0.1, 0.9, 0.42, 0.39]  # their mean is 0.4525
    index = pd.MultiIndex.from_tuples([("A", "B", seed) for seed in (5, 6, 7, 8)])
    table = pd.DataFrame({("defended", 0.1): values, ("defenseless", 0.1): [0.45, 1, 1, 1]}, index=index)
    monkeypatch.setattr(chapter, "accuracies", lambda: table)
    assert chapter.typical("A", "B") == 7


@pytest.mark.parametrize(("network", "dataset"), shared.PAIRS)
def test_what_is_shipped_is_the_typical_one_of_the_ten(network, dataset):
    """As many test images are right as its record says, but for what another processor's sums may turn."""
    seed = chapter.typical(network, dataset)
    _, notes = checkpoints.read(files.checked(f"checkpoints/{network}-{dataset}.safetensors"), "")
    assert (notes["seed"], notes["epochs"], notes["dataset"]) == (seed, training.RELEASED_EPOCHS[network], dataset)
    x, y = data.load(dataset, "test")
    with runtime.threads(1):
        right = (shared.answers(training.shipped(network, dataset), x) == y).sum().item()
    recorded = chapter.accuracies()["defenseless"][0.0][network, dataset, seed]
    assert right == pytest.approx(recorded * len(y), abs=3)
