"""What the ledger asks of the chapter on the centroid defence. First paper, section 5, figure 2, and Appendix A."""

import numpy as np
import pandas as pd

from fairlib import data
from fairlib.book import claims
from fairlib.book.experiments import fgsm, headline, shared, training
from fairlib.evaluation import below_chance_at
from fairlib.intervals import over_seeds

BETWEEN = [0.1, 0.15, 0.2]  # the keys' eps=0.1-0.2
SHOWN = {"anchor": "defense-verdict"}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records and the data."""
    found = {key: over_seeds(values) | _origin(key) for key, values in quantities(training.accuracies()).items()}
    asked = claims.asked("centroid_defense")
    found = {key: estimate for key, estimate in found.items() if key in asked}
    (images,) = {len(data.centroids(name)) for name in data.DATASETS}
    counted = {"centroids/images": images}
    for name, (first, second) in headline.NOISIER.items():
        alpha = data.alphas(name).double().round(decimals=2)
        counted[f"alphas/{name}/{first}-{second}"] = round((alpha[first] - alpha[second]).item(), 2)
    return (
        found
        | {key: shared.exact(value) | SHOWN for key, value in counted.items()}
        | fgsm.looked_at(("shift",), SHOWN)
        | fgsm.looked_at(("spread",), {"anchor": "which-class-is-noisier"})
    )


def _origin(key: str) -> dict:
    table = any(f"/{method}/eps=" in key for method in shared.METHODS)
    return {"anchor": "defense-tables" if table else "defense-verdict", "record": training.TRAINED_ON, "n": 10_000}


def quantities(accuracy: pd.DataFrame) -> dict[str, pd.Series]:
    """A number per training for each key; `accuracy` as `training.accuracies` gives it."""
    found, gain, crossover = {}, {}, {}
    for pair in shared.PAIRS:
        seeds = accuracy.loc[pair]
        gain[pair] = seeds["defended"] - seeds["defenseless"]
        crossover[pair] = gain[pair].apply(crosses_zero_at, axis=1)
        columns = {method: seeds[method] for method in seeds.columns.unique("method")}
        columns |= {"gain": gain[pair], "loose_minus_defended": seeds["loose"] - seeds["defended"]}
        numbers = {f"{name}/eps={eps:g}": values[eps] for name, values in columns.items() for eps in values}
        numbers["defended/below_chance_at"] = seeds["defended"].apply(below_chance_at, axis=1, raw=True)
        numbers["defended/lowest"] = seeds["defended"].min(axis=1)
        found |= {f"{'/'.join(pair)}/{key}": values for key, values in numbers.items()}
    middle = {pair: values[BETWEEN].mean(axis=1) for pair, values in gain.items()}
    for network in ("FullyConnected", "LeNet5"):
        key = f"{network}/gain_fashion_minus_mnist/eps=0.1-0.2"
        found[key] = middle[network, "FashionMNIST"] - middle[network, "MNIST"]
    for name in data.DATASETS:
        found[f"{name}/gain_fc_minus_lenet/eps=0.1-0.2"] = middle["FullyConnected", name] - middle["LeNet5", name]
        found[f"{name}/crossover_lenet_minus_fc"] = crossover["LeNet5", name] - crossover["FullyConnected", name]
        fc, lenet = (accuracy.loc[network, name]["defenseless"][0.1] for network in ("FullyConnected", "LeNet5"))
        found[f"{name}/defenseless_lenet_minus_fc/eps=0.1"] = lenet - fc
    found["LeNet5/crossover_mnist_minus_fashion"] = crossover["LeNet5", "MNIST"] - crossover["LeNet5", "FashionMNIST"]
    return found


def crosses_zero_at(gain: pd.Series) -> float:
    """The smallest eps, interpolated on the index of `gain`, at which it is not negative; the last if there is none."""
    eps, values = gain.index.to_numpy(), gain.to_numpy()
    helps = np.flatnonzero(values >= 0)
    if not len(helps) or not helps[0]:
        return float(eps[0] if len(helps) else eps[-1])
    before, after = helps[0] - 1, helps[0] + 1
    return float(np.interp(0, values[before:after], eps[before:after]))
