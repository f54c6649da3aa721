"""The ablations of the centroid defence: thresholds, number of centroid sets, layer weights.

First paper, section 5 and Appendix B, figures 3 to 5.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairlib import attacks, checks, data, evaluation, intervals, runtime, training
from fairlib.book import claims
from fairlib.book.experiments import readings, shared
from fairlib.book.experiments.shared import BATCH, IMAGES, METHODS, PAIRS, SEEDS
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

EPS = evaluation.LEDGER_EPS
DRAWN_EPS = (0.0, 0.1, 0.2, 0.4)
CHANCE = 0.1
RELEASED_SETS = {"MNIST": ("first", "a", "b", "c", "d"), "FashionMNIST": ("first",)}


def units(profile: str) -> list[dict]:
    """Per network and data set: every ablation over ten trainings; ten draws of centroids."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    return [
        {"what": what, "network": network, "dataset": name, "images": images}
        for what in ("trainings", "draws")
        for network, name in PAIRS
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """How many of `images` test images come out right; `rows` by `seed` and `variant`, as `count` gives them.

    `trainings`: seed s names the training and its own draw of test images, so that the spread over the seeds is that of
    trainings and of images at once. MNIST's five centroid sets are the released ones; Fashion-MNIST has one of
    those, and s draws the other four. `draws`: the shipped network, one draw of images; seed s names five sets drawn
    from the training images.
    """
    checks.one_of(what, ("trainings", "draws"), "what")
    x_train, y_train = data.load(dataset, "train")
    alpha, rows = data.alphas(dataset), []
    if what == "trainings":
        released = torch.stack([data.centroids(dataset, name) for name in RELEASED_SETS[dataset]])
        for seed, model, drawn in shared.trainings(network, dataset, images):
            sets = torch.cat([released, random_sets(x_train, y_train, 4, seed=seed)])[:5]
            rows += [{"seed": seed} | row for row in count(model, variants(model, alpha, sets), *drawn, eps=EPS)]
    else:
        model = training.shipped(network, dataset)
        drawn = evaluation.draw(*data.load(dataset, "test"), images, seed=0)
        for seed in SEEDS:
            defenses = several(model, alpha, random_sets(x_train, y_train, 5, seed=seed))
            rows += [{"seed": seed} | row for row in count(model, defenses, *drawn, eps=DRAWN_EPS)]
    return {"rows": rows}


def random_sets(x: Tensor, y: Tensor, n: int, *, seed: int) -> Tensor:
    """n sets of one image a class, drawn from x (N, C, H, W), y (N,): (n, 10, C, H, W)."""
    g = runtime.generator(seed)
    members = [(y == c).nonzero()[:, 0] for c in range(10)]
    return torch.stack([
        torch.stack([x[m[torch.randint(len(m), (), generator=g)]] for m in members]) for _ in range(n)
    ])  # fmt: skip


def variants(model: LayeredModel, alpha: Tensor, sets: Tensor) -> dict[str, CentroidDefense]:
    """The plain defence and its ablations by name; of `sets` (5, K, C, H, W) all but `sets=...` use the first."""
    layers = range(1, len(model.released_taps) + 1)
    weights = {"early": [math.exp(-i) for i in layers], "late": [math.exp(i) for i in layers]}
    weights |= {f"{bias}/rounded": [round(w, 1) for w in ws] for bias, ws in weights.items()}
    thresholds = {"0.3": torch.full_like(alpha, 0.3), "+0.1": alpha + 0.1, "-0.1": alpha - 0.1}
    return {
        **several(model, alpha, sets),
        **{f"alpha={name}": CentroidDefense(model, sets[0], a) for name, a in thresholds.items()},
        **{f"weights={bias}": CentroidDefense(model, sets[0], alpha, weights=w) for bias, w in weights.items()},
    }


def several(model: LayeredModel, alpha: Tensor, sets: Tensor) -> dict[str, CentroidDefense]:
    """The plain defence, with the first of `sets` (5, K, C, H, W), and with the first 2 and 5 in three readings.

    `sets=2` sums the votes of two sets, `sets=2/any` counts a class once where either finds it fair, and
    `sets=2/released` does what the released code does.
    """
    decisions = {"": "sum", "/any": "any", "/released": "released"}
    return {"plain": CentroidDefense(model, sets[0], alpha)} | {
        f"sets={n}{name}": CentroidDefense(model, sets[:n], alpha, sets=reading)
        for n in (2, 5)
        for name, reading in decisions.items()
    }


def count(
    model: LayeredModel, defenses: Mapping[str, CentroidDefense], x: Tensor, y: Tensor, *, eps: Sequence[float]
) -> list[dict]:
    """How many images come out right: a row per defence, `variant`, with a list over `eps` for each of three methods.

    All defences see the same attacked images: FGSM on the undefended network, which knows of no defence.
    """
    right = np.zeros((len(defenses), len(METHODS), len(eps)), dtype=int)
    for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True):
        for i, x_adv in enumerate(attacks.fgsm_grid(model, a, b, eps=eps)):
            with torch.no_grad():
                right[:, 0, i] += int((model(x_adv).argmax(1) == b).sum())
            for row, defense in zip(right, defenses.values(), strict=True):
                predicted, loose = defense.predict_and_loose(x_adv, b)
                row[1:, i] += int((predicted == b).sum()), int(loose.sum())
    return [
        {"variant": variant, "eps": list(eps)} | dict(zip(METHODS, row.tolist(), strict=True))
        for variant, row in zip(defenses, right, strict=True)
    ]


def recorded(what: str) -> pd.DataFrame:
    """The rows of one kind of unit; where both profiles were run, those with more images."""
    return shared.recorded("ablations", what)


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """`recorded` rows as accuracies: index `network`, `dataset`, `variant`, `seed`; columns method and eps."""
    rows = rows.explode(["eps", *METHODS]).astype(dict.fromkeys(("eps", *METHODS), float))
    rows[list(METHODS)] = rows[list(METHODS)].div(rows["images"], axis=0)
    return rows.pivot_table(list(METHODS), index=["network", "dataset", "variant", "seed"], columns="eps")


def curves(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds with their intervals, as `plots.accuracy_curves` draws them, of one variant's `accuracies`."""
    rows = [
        {"method": method, "eps": e, "accuracy": s["value"], "low": s["low"], "high": s["high"]}
        for (method, e), s in ((key, intervals.over_seeds(column)) for key, column in accuracy.items())
    ]
    return pd.DataFrame(rows)


def quantities(accuracy: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the ledger asks of one network and data set, a value per seed; `accuracy` is its part of `accuracies`."""
    seeds = accuracy.xs("plain", level="variant")
    plain, undefended = seeds["defended"], seeds["defenseless"]
    found = {}
    for variant in accuracy.index.unique("variant"):
        defended = accuracy.xs(variant, level="variant")["defended"]
        change = defended - plain
        below = defended.apply(evaluation.below_chance_at, axis=1, raw=True)
        found |= {
            f"{variant}/largest_change": change.abs().max(axis=1),
            f"{variant}/farthest_from_chance": (defended - CHANCE).abs().max(axis=1),
            f"{variant}/range": defended.max(axis=1) - defended.min(axis=1),
            f"{variant}/gain/eps=0.4": (defended - undefended)[0.4],
            f"{variant}/below_chance_at": below,
            f"{variant}/below_chance_change": below - plain.apply(evaluation.below_chance_at, axis=1, raw=True),
            **{f"{variant}/change/eps={e:g}": change[e] for e in EPS},
        }
    return {key: values.to_numpy() for key, values in found.items()}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records and thresholds."""
    alpha = data.alphas("MNIST").double().round(decimals=2)
    shifted = {"up": alpha + 0.1, "down": alpha - 0.1}
    exact = {f"alphas/MNIST/{name}/lowest": a.min() for name, a in shifted.items()}
    exact |= {f"alphas/MNIST/{name}/highest": a.max() for name, a in shifted.items()}
    found = {key: shared.exact(a.item()) for key, a in exact.items()}
    keys = ["what", "network", "dataset", "images"]
    for unit, rows in recorded("trainings").groupby(keys, sort=False):
        origin = shared.origin("ablations", dict(zip(keys, unit, strict=True)))
        values = quantities(accuracies(rows).droplevel(["network", "dataset"]))
        found |= {f"{unit[1]}/{unit[2]}/{key}": intervals.over_seeds(value) | origin for key, value in values.items()}
    for pair, shares in readings.tops()[0.1].groupby(level=["network", "dataset"]):
        shares = shares.dropna(axis=1)
        spread = intervals.over_seeds(shares.max(axis=1) - shares.min(axis=1))
        origin = {"record": "results/readings", "n": int(readings.counts("nearest")["images"].max())}
        found[f"{'/'.join(pair)}/nearest/range/eps=0.1"] = spread | origin
    asked = claims.asked("ablations")
    return {key: estimate | {"anchor": _anchor(key)} for key, estimate in found.items() if key in asked}


def _anchor(quantity: str) -> str:
    """The figure or section that shows it."""
    if quantity.startswith("alphas"):
        return "swapped-numbers"
    if "/nearest/" in quantity:
        return "each-layer-alone"
    network = "fc" if quantity.startswith("FullyConnected") else "lenet"
    figure = "alphas" if "/alpha=" in quantity else "layers" if "/weights=" in quantity else "sets"
    return f"fig-{figure}{'-released' if 'sets' in quantity and 'released' in quantity else ''}-{network}"
