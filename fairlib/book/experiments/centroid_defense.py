"""What the ledger asks of the chapter on the centroid defence. First paper, section 5, figure 2, and Appendix A."""

import numpy as np
import pandas as pd

from fairlib import data
from fairlib.book import claims
from fairlib.book.experiments import fgsm, headline, readings, shared, training
from fairlib.book.experiments.ablations import CHANCE
from fairlib.evaluation import below_chance_at
from fairlib.intervals import over_seeds

ABOVE = (0.3, 0.4, 0.5)  # where more is asked than a constant answer gives
BETWEEN = [0.1, 0.15, 0.2]  # the keys' eps=0.1-0.2
SHOWN = {"anchor": "defense-verdict"}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records and the data."""
    accuracy = training.accuracies()
    sampling = image_variance(accuracy, training.TEST_IMAGES)
    found = {
        key: shared.with_images(over_seeds(values), sampling[key]) | _origin(key)
        for key, values in quantities(accuracy).items()
    }
    printed = quantities(readings.text("text").drop(columns=1.0, level="eps"))
    found |= {f"text/{key}": over_seeds(values) | SHOWN | _read() for key, values in printed.items()}
    looked = {"anchor": "what-no-table-says"} | _read()
    found |= {key: over_seeds(values) | looked for key, values in besides().items()}
    asked = claims.asked("centroid_defense")
    found = {key: estimate for key, estimate in found.items() if key in asked}
    return (
        found
        | {key: shared.exact(value) | {"anchor": anchor} for key, (value, anchor) in counted().items()}
        | fgsm.looked_at(("shift",), SHOWN)
        | fgsm.looked_at(("spread",), {"anchor": "which-class-is-noisier"})
    )


def counted() -> dict[str, tuple[float, str]]:
    """What is counted on the data or follows from the formula, and where it is shown."""
    (images,) = {len(data.centroids(name)) for name in data.DATASETS}
    found = {"centroids/images": (images, "defense-verdict"), "metric/excess": (excess(60), "what-no-table-says")}
    sets = data.table("pepe_centroids").query("dataset == 'MNIST'")["centroid_set"].nunique()
    found["centroids/MNIST/sets"] = sets, "what-no-table-says"
    for name, (first, second) in headline.NOISIER.items():
        alpha = data.alphas(name).double().round(decimals=2)
        found[f"alphas/{name}/{first}-{second}"] = round((alpha[first] - alpha[second]).item(), 2), "defense-verdict"
    return found


def excess(degrees: float) -> float:
    """D(u, w) - D(u, v) - D(v, w) of unit vectors at 0, `degrees` and twice that; no metric has any above 0.

    With c the cosine of the angle this is c - c^2, which is largest at 60 degrees.
    """
    u, v, w = (np.array([np.cos(a), np.sin(a)]) for a in np.radians([0, degrees, 2 * degrees]))
    near, far = ((1 - one @ u) / 2 for one in (v, w))
    return round(float(far - near - (1 - v @ w) / 2), 12)


def besides() -> dict[str, pd.Series]:
    """A number per training for what the text says and no table prints, from the records of `readings`."""
    released = readings.text("released")["defenseless"][1.0]
    looks = {name: readings.counts(name) for name in ("nobody", "everywhere", "dimmed", "moved")}
    found, lost = {}, {}
    for pair in shared.PAIRS:
        at = {name: rows.loc[pair] for name, rows in looks.items()}
        images = at["nobody"]["images"]
        dimmed, moved = (at[name] for name in ("dimmed", "moved"))
        lost[pair] = moved["defenseless"].map(lambda counts: counts[1] / 4 - counts[0]) / images
        numbers = {
            "defenseless/eps=1": released.loc[pair],
            "nobody/eps=0.5": at["nobody"]["count"].str[readings.EPS.index(0.5)] / images,
            "fair_everywhere/eps=0": at["everywhere"]["count"].str[0] / images,
            "dimmed/change": dimmed["defended"].map(lambda counts: counts[1] - counts[0]) / images,
        }
        found |= {f"{'/'.join(pair)}/{key}": values.astype(float) for key, values in numbers.items()}
    for name in data.DATASETS:
        found[f"{name}/moved_lenet_minus_fc"] = lost["LeNet5", name] - lost["FullyConnected", name]
    return found


def image_variance(accuracy: pd.DataFrame, images: int) -> dict[str, float]:
    """The variance of each of `quantities` over draws of the test images that all trainings share.

    Each accuracy is that of so many images; what it does to a quantity is the slope times that (delta method), as if
    different accuracies strayed independently, which errs on the wide side for a difference of two.
    """
    mean, step = accuracy.groupby(level=[0, 1]).mean(), 1e-5
    # In place of trainings: the means as they are, then with one accuracy after the other moved.
    cells = [(row, column) for row in range(len(mean)) for column in range(mean.shape[1])]
    shares = np.repeat(mean.to_numpy()[:, None], 1 + len(cells), axis=1)
    for k, (row, column) in enumerate(cells, start=1):
        shares[row, k, column] += step
    index = pd.MultiIndex.from_tuples([(*pair, k) for pair in mean.index for k in range(1 + len(cells))])
    moved = pd.DataFrame(shares.reshape(-1, mean.shape[1]), index.set_names([*mean.index.names, "seed"]), mean.columns)
    spread = np.array([mean.iloc[cell] * (1 - mean.iloc[cell]) / images for cell in cells])
    return {
        key: float(((values.to_numpy()[1:] - values.iloc[0]) / step) ** 2 @ spread)
        for key, values in quantities(moved).items()
    }


def _origin(key: str) -> dict:
    table = any(f"/{method}/eps=" in key for method in shared.METHODS)
    shown = {"anchor": "defense-tables" if table else "defense-verdict", "record": training.TRAINED_ON}
    return shown | {"n": training.TEST_IMAGES, "basis": f"10 trainings, the same {training.TEST_IMAGES:,} images"}


def _read() -> dict:
    """Where the records of `readings` lie, and over how many images of each training's own."""
    return {"record": "results/readings", "n": int(readings.counts("nobody")["images"].max())}


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
        above = {f"above_chance/eps={eps:g}": seeds["defended"][eps] - CHANCE for eps in ABOVE}
        numbers |= above
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
