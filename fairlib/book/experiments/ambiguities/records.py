"""What the records say of each switch, and what the ledger asks."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from fairlib import data, intervals, training
from fairlib.book import runner
from fairlib.book.experiments import fgsm, future_work, shared
from fairlib.book.experiments.ambiguities import retrained
from fairlib.book.experiments.ambiguities.variants import strangers
from fairlib.book.experiments.future_work import EPS
from fairlib.book.experiments.shared import METHODS, PAIRS

# What a variant is compared with, where that is not the plain defence.
REFERENCE = {
    "sets=any": "sets=sum", "sets=released": "sets=sum", "sets=released, none dropped": "sets=released",
    "weights=early, rounded": "weights=early", "weights=late, rounded": "weights=late",
}  # fmt: skip


def accuracies() -> pd.DataFrame:
    """The recorded accuracies: index `network`, `dataset`, `variant`, `seed`; columns method and eps.

    `released rule` is what `one pool` and `printed rule` are compared with, the trainings recorded in `seeds` with the
    same seeds. Where both profiles were run, those with more test images.
    """
    rows = runner.results("ambiguities").dropna(subset="variant")
    rows = shared.largest(rows, ["what", "network", "dataset"])
    index = ["network", "dataset", "variant", "seed", "images"]
    rows = rows[[*index, *METHODS]].assign(eps=[EPS] * len(rows)).explode(["eps", *METHODS])
    rows = rows.melt([*index, "eps"], METHODS, "method", "right")
    again = shared.of_kind("seeds", "trainings")
    again = again[again["seed"].isin(retrained.SEEDS) & again["eps"].isin(EPS)]
    again = again.assign(variant="released rule").rename(columns={"n": "images"})
    rows = pd.concat([rows, again[rows.columns]]).astype({"eps": float, "right": float, "seed": int})
    rows["accuracy"] = rows["right"] / rows["images"]
    return rows.pivot_table("accuracy", ["network", "dataset", "variant", "seed"], ["method", "eps"])


def effects() -> pd.DataFrame:
    """What each switch changes: rows of `variant`, `network`, `dataset`, `method`, `eps`, `value`, `low`, `high`.

    The mean over trainings of the variant's accuracy minus its reference's, and the 95 % interval of that mean. The
    two are measured on the same images and, except for `training images`, networks with the same seed. The method
    `gain` is the defended minus the undefended accuracy, taken in each training.
    """
    accuracy, rows = with_gain(accuracies()), []
    for (network, dataset, variant), table in accuracy.groupby(level=[0, 1, 2]):
        if variant in ("plain", "released rule", "sets=sum", "weights=early", "weights=late"):
            continue
        few = variant in ("one pool", "printed rule")
        reference = "released rule" if few else REFERENCE.get(variant, "plain")
        change = table.droplevel([0, 1, 2]) - accuracy.loc[network, dataset, reference]
        where = {"variant": variant, "network": network, "dataset": dataset}
        rows += [where | {"method": m, "eps": e} | intervals.over_seeds(change[m, e]) for m, e in change.columns]
    return pd.concat([pd.DataFrame(rows), drawn_centroids(), float32_gradient()])


def with_gain(accuracy: pd.DataFrame) -> pd.DataFrame:
    """A table of `accuracies` with the method `gain`, the defended minus the undefended accuracy."""
    return accuracy.join(pd.concat({"gain": accuracy["defended"] - accuracy["defenseless"]}, axis=1))


def drawn_centroids() -> pd.DataFrame:
    """Rows of `effects` for a random image per class in place of the first set: ten draws, the shipped network.

    The undefended network sees no centroid, so that the gain moves as the defended accuracy does.
    """
    rows = []
    drawn = future_work.recorded("draws").query("alpha == 'published' and network in @training.RELEASED_EPOCHS")
    for (network, dataset), table in drawn.groupby(["network", "dataset"]):
        first, others = (table[(table["centroids"] == "first") == is_first] for is_first in (True, False))
        change = np.subtract(others["right"].tolist(), first["right"].item()) / table["images"].iloc[0]
        where = {"variant": "random centroids", "network": network, "dataset": dataset}
        found = [{"eps": e} | intervals.over_seeds(values) for e, values in zip(EPS, change.T, strict=True)]
        rows += [where | {"method": method} | row for method in ("defended", "gain") for row in found]
    return pd.DataFrame(rows)


def float32_gradient() -> pd.DataFrame:
    """Rows of `effects` for FGSM with the released code's gradient in place of the exact one: ten trainings."""
    accuracy = with_gain(fgsm.accuracies())
    change = accuracy.xs("naive", level="gradient") - accuracy.xs("exact", level="gradient")
    return pd.DataFrame([
        {"variant": "float32 gradient", "network": network, "dataset": dataset, "method": method, "eps": eps}
        | intervals.over_seeds(table[method, eps])
        for (network, dataset), table in change.groupby(level=[0, 1])
        for method, eps in table.columns
        if eps in EPS
    ])  # fmt: skip


def recall() -> pd.DataFrame:
    """The share of a Fashion-MNIST class that the defended network gets right, centroids as released and corrected.

    Index `network`, `variant`, `seed`; columns eps and class.
    """
    rows = runner.results("ambiguities").dropna(subset="by_class").query("dataset == 'FashionMNIST'")
    rows = rows[rows["images"] == rows["images"].max()]
    index = pd.MultiIndex.from_frame(rows[["network", "variant", "seed"]].astype({"seed": int}))
    share = np.array(rows["by_class"].tolist()) / np.array(rows["of_class"].tolist())[:, None]
    columns = pd.MultiIndex.from_product([EPS, range(share.shape[2])], names=["eps", "class"])
    return pd.DataFrame(share.reshape(len(rows), -1), index, columns).sort_index()


class Pools(TorchFunctionMode):
    """Counts the max-pools that are computed while it is entered."""

    n = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.n += func is F.max_pool2d
        return func(*args, **(kwargs or {}))


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from records and networks."""
    model = training.initialised("LeNet5", seed=0)
    with Pools() as pools:  # with a gradient: without one the network pools otherwise
        model(torch.zeros(1, *model.shape))
    first_two = list(model.children())[:2]
    counted = {
        "chance/text": (1 / model.classes, "chance-level"),
        "LeNet5/fully_connected_among_first_two": (sum(isinstance(m, nn.Linear) for m in first_two), "lenet-layers"),
        "LeNet5/pools": (pools.n, "lenet-layers"),
        **{f"centroids/{d}/right_label": (model.classes - len(strangers(d)), "centroid-labels") for d in data.DATASETS},
    }
    found = {key: shared.exact(value) | {"anchor": anchor} for key, (value, anchor) in counted.items()}
    accuracy = accuracies()
    images = int(shared.of_kind("ambiguities", "switches")["images"].max())
    measured = {"record": "results/ambiguities", "n": images}
    for network, dataset in PAIRS:
        for rule, variant in (("top3", "loose_rule=top3"), ("released", "plain")):
            estimate = intervals.over_seeds(accuracy.loc[network, dataset, variant]["loose", 0.1])
            found[f"{network}/{dataset}/loose/{rule}/eps=0.1"] = estimate | {"anchor": "loose-rule"} | measured
        plain, closest = (accuracy.loc[network, dataset, variant] for variant in ("plain", "ties=closest"))
        change, undefended = closest["defended"] - plain["defended"], plain["defenseless", 0.0]
        gaps = (variant["defended", 0.0] - undefended for variant in (closest, plain))
        ties = {
            "gap_left/eps=0": future_work.kept(*gaps),
            "change/eps=0": change[0.0],
            "change/eps=0.1": change[0.1],
        }
        for key, values in ties.items():
            estimate = intervals.over_seeds(values) | {"anchor": "ties-and-the-gap"} | measured
            found[f"{network}/{dataset}/ties=closest/{key}"] = estimate
    return found
