"""How much the headline tables owe to luck: ten trainings per network and data set, ten draws of centroids.

First paper, tables 1 to 4, which stand on one training and one set of centroids.
"""

import pandas as pd

from fairlib import checks, data, ensemble, evaluation, training
from fairlib.book.experiments import shared
from fairlib.defenses import CentroidDefense

TRAININGS = {"embedded": 10, "paper": 30}
TOGETHER = 10  # seeds in a unit


def units(profile: str) -> list[dict]:
    """Per network and data set: trainings, ten to a unit, and ten draws of centroids for the shipped network."""
    trainings = TRAININGS[checks.one_of(profile, tuple(TRAININGS), "profile")]
    return [
        {"what": what, "network": network, "dataset": name, "first": first}
        for network, name in shared.PAIRS
        for what, last in (("trainings", trainings), ("draws", TOGETHER))
        for first in range(0, last, TOGETHER)
    ]


def run(*, what: str, network: str, dataset: str, first: int) -> dict:
    """Ten seeds, from `first` on; rows of `seed`, `eps`, `method`, `right`, `n` over all test images.

    `trainings`: the seed gives initial weights and split; the released recipe, centroids and thresholds. `draws`: the
    shipped network with one random training image per class as centroids, drawn with the seed.
    """
    seeds = range(first, first + TOGETHER)
    if checks.one_of(what, ("trainings", "draws"), "what") == "trainings":
        models = ensemble.released(network, dataset, seeds=seeds)
        sets = [data.centroids(dataset)] * len(seeds)
    else:
        models = [training.shipped(network, dataset)] * len(seeds)
        sets = [data.centroids(dataset, "random", seed=seed) for seed in seeds]
    x, y = data.load(dataset, "test")
    alpha = data.alphas(dataset)
    options = {"eps": evaluation.LEDGER_EPS, "batch_size": shared.BATCH}
    tables = [
        evaluation.under_attack(model, x, y, defense=CentroidDefense(model, centroids, alpha), **options).assign(
            seed=seed
        )
        for seed, model, centroids in zip(seeds, models, sets, strict=True)
    ]
    return {"rows": pd.concat(tables)[["seed", "eps", "method", "right", "n"]].to_dict("records")}
