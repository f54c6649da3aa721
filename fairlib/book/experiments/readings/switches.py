"""Every switch of the defence that may explain a cell of tables 1 to 4, alone and two at a time."""

from itertools import combinations, product

import torch
from torch import Tensor

from fairlib import data
from fairlib.book.experiments import shared
from fairlib.book.experiments.ambiguities import RELABELLED, centroid_sets, decisions
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel, LeNet5

EPS = (0.0, 0.1, 0.2)
# Each choice, and the ways to make it other than the plain defence does, of which it takes one.
CHOICES = {
    "taps": ("paper", "logits"),
    "alpha": ("-0.1", "-0.05", "+0.1", "0.3"),
    "ties": ("closest", "highest"),
    "loose_rule": ("top3",),
    "nobody": ("no",),
    "sets": ("sum",),
    "conv_cosine": ("flat",),
}
CALLED = {
    "taps=paper": "taps after the ReLU", "taps=logits": "logits for the log-softmax",
    "alpha=-0.1": "thresholds 0.1 smaller", "alpha=-0.05": "thresholds 0.05 smaller",
    "alpha=+0.1": "thresholds 0.1 larger", "alpha=0.3": "every threshold 0.3",
    "ties=closest": "ties: closest", "ties=highest": "ties: highest index", "loose_rule=top3": "loose: top 3",
    "nobody=no": "no bucket for nobody", "sets=sum": "five sets, votes added", "conv_cosine=flat": "one cosine a map",
}  # fmt: skip


def options(model: LayeredModel, several: bool) -> list[dict[str, str]]:
    """The plain defence, each switch alone, and all pairs of two choices; those that the network and the sets allow."""
    open_to = {
        choice: ways
        for choice, ways in CHOICES.items()
        if (choice != "conv_cosine" or isinstance(model, LeNet5)) and (choice != "sets" or several)
    }
    return [
        dict(zip(chosen, ways, strict=True))
        for n in range(3)
        for chosen in combinations(open_to, n)
        for ways in product(*(open_to[choice] for choice in chosen))
    ]


def pairs(model: LayeredModel, dataset: str, x: Tensor, y: Tensor) -> list[dict]:
    """Rows of `switches` (`taps=paper, alpha=-0.1`; empty for the plain defence), `defended`, `loose`: lists over `EPS`
    of right answers."""
    alpha = data.alphas(dataset)
    sets = {name: c for name, c in centroid_sets(dataset, seed=0).items() if name not in RELABELLED}
    centroids, every = torch.stack(list(sets.values())), [name for name, _ in model.layers(x[:1])]
    ways = ("channels", "flat") if isinstance(model, LeNet5) else ("channels",)
    look = {how: CentroidDefense(model, centroids, alpha, taps=every, conv_cosine=how) for how in ways}
    thrown = options(model, len(sets) > 1)
    made = [defense(model, centroids, alpha, switches) for switches in thrown]
    rows = [{"switches": name(switches), "defended": [], "loose": []} for switches in thrown]
    for eps in EPS:
        x_adv = shared.attacked(model, x, y, eps)
        near = {how: shared.distances(one, x_adv) for how, one in look.items()}
        for row, one in zip(rows, made, strict=True):
            taps = [every.index(tap) for tap in one.taps]
            predicted, loose = decisions(one, near[one.conv_cosine][taps][:, :, : one.n_sets], y)
            row["defended"].append(int((predicted == y).sum()))
            row["loose"].append(int(loose.sum()))
    return rows


def name(switches: dict[str, str]) -> str:
    """The switches that are thrown, as the records call them."""
    return ", ".join(f"{choice}={way}" for choice, way in switches.items())


def defense(model: LayeredModel, centroids: Tensor, alpha: Tensor, switches: dict[str, str]) -> CentroidDefense:
    """The defence with some switches thrown; of `centroids` (S, K, C, H, W) the first set, or all with `sets`."""
    given: dict = dict(switches)
    logits = tuple("linear_out" if tap == "log_softmax" else tap for tap in model.released_taps)
    if isinstance(model, LeNet5):  # its logits are a tap already
        logits = model.released_taps[:-1]
    if given.get("taps") == "logits":
        given["taps"] = logits
    shift = given.pop("alpha", "+0")
    given["alpha"] = alpha + float(shift) if shift[0] in "+-" else torch.full_like(alpha, float(shift))
    if given.pop("nobody", None):
        given["nobody"] = False
    return CentroidDefense(model, centroids if "sets" in switches else centroids[:1], **given)
