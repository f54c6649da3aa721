"""What the headline chapters say besides accuracies: training by the printed rule, and looks inside the networks.

First paper, sections 2, 3.1 and 3.3. `training.py`, `fgsm.py` and `centroid_defense.py` beside this turn it, and the
trainings of `seeds.py`, into the ledger's estimates.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import attacks, checks, data, evaluation, training
from fairlib.book.experiments.shared import BATCH, PAIRS, difference, exact, mean, more_often
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

STOP_AT = 0.95
SEEDS = {"embedded": 3, "paper": 10}
UNLIKE, ALIKE = (4, 2), ((1, 7), (8, 0))  # digits that look different, digits that look alike (section 3.1)
NOISIER = {"MNIST": (1, 8), "FashionMNIST": (4, 0)}  # the first class is given more noise (section 3.1)


def units(profile: str) -> list[dict]:
    """Per network and data set: a look into the shipped network, and some trainings by the printed rule."""
    seeds = range(SEEDS[checks.one_of(profile, tuple(SEEDS), "profile")])
    look = [{"what": "look", "network": network, "dataset": name} for network, name in PAIRS]
    return look + [
        {"what": "printed rule", "network": network, "dataset": name, "seed": seed}
        for network, name in PAIRS
        for seed in seeds
    ]


def run(*, what: str, network: str, dataset: str, seed: int | None = None) -> dict:
    """`look`: `rows` of `quantity`, `value`, `low`, `high`, `n`, from the shipped network and all test images.

    `printed rule`: one row of `epochs`, best `validation` accuracy, `right` and `n`, after training until 95 %
    validation accuracy or for 20 epochs; the seed gives initial weights and split.
    """
    if checks.one_of(what, ("look", "printed rule"), "what") == "look":
        return {"rows": look(training.shipped(network, dataset), dataset)}
    model = training.initialised(network, seed=seed)
    split = data.train_validation(*data.load(dataset, "train"), seed=seed)
    history = training.fit(model, *split, epochs=20, stop_at=STOP_AT)
    clean = evaluation.under_attack(model, *data.load(dataset, "test"), eps=[0.0]).iloc[0]
    row = {"epochs": len(history), "validation": history["validation"].max()}
    return {"rows": [row | {key: int(clean[key]) for key in ("right", "n")}]}


def look(model: LayeredModel, dataset: str) -> list[dict]:
    """What the ledger asks about one network beside its accuracies, with 95 % intervals over the test images."""
    x, y = data.load(dataset, "test")
    defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
    seen: dict[str, list[Tensor]] = {name: [] for name in ("cosine", "predicted", "shift", "step", "gray", "distance")}
    for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True):
        gentle, middle, strong = attacks.fgsm_grid(model, a, b, eps=(0.1, 0.2, 0.5))
        seen["cosine"].append(cosine_to_gradient(attacks.input_gradient(model, a, b)))
        with torch.no_grad():
            seen["predicted"].append(model(gentle).argmax(1))
            seen["shift"].append(shift(model, defense.taps, a, gentle))
            seen["distance"].append(defense.distances(a)[:, :, 0].mean(0)[range(len(b)), b])
        seen["step"].append((middle - a).abs().flatten(1).amax(1))
        seen["gray"].append(uniform(strong))
    all_of = {name: torch.cat(values) for name, values in seen.items()}
    first, second = NOISIER[dataset]
    rows = {
        "cosine_to_gradient": mean(all_of["cosine"]),
        "largest_step/eps=0.2": exact(all_of["step"].max().item()) | {"n": len(x)},
        # What is asked is whether any of these images can be turned gray, and that was looked at for each: exact.
        "gray_share/eps=0.5": exact(all_of["gray"].double().mean().item()) | {"n": len(x)},
        "shift/last-first/eps=0.1": mean(all_of["shift"]),
        f"spread/{first}-{second}": difference(*(all_of["distance"][y == c] for c in (first, second))),
    }
    if dataset == "MNIST":
        for pair in ALIKE:
            key = f"confusion/{pair[0]}-{pair[1]}_minus_{UNLIKE[0]}-{UNLIKE[1]}/eps=0.1"
            rows[key] = more_often(*(confused(all_of["predicted"], y, p) for p in (pair, UNLIKE)))
    return [{"quantity": quantity} | row for quantity, row in rows.items()]


def cosine_to_gradient(gradient: Tensor) -> Tensor:
    """Cosine between FGSM's step before clipping, eps * sign(gradient), and the gradient (N, C, H, W): (N,)."""
    g = gradient.flatten(1)
    return F.cosine_similarity(g.sign(), g / g.abs().amax(1, keepdim=True))  # scaled: entries go down to 1e-12


def shift(model: LayeredModel, taps: tuple[str, ...], x: Tensor, x_adv: Tensor) -> Tensor:
    """How much further an attack moves the last tap than the first, in rescaled cosine distance: (N,).

    On a map the cosine is taken over the channels at each position, and the mean over positions, as the defence does.
    """
    pairs = zip(model.layers(x), model.layers(x_adv), strict=True)
    moved = {
        name: (1 - F.cosine_similarity(a, b, dim=1)).reshape(len(x), -1).mean(1) / 2
        for (name, a), (_, b) in pairs
        if name in (taps[0], taps[-1])
    }
    return moved[taps[-1]] - moved[taps[0]]


def uniform(x: Tensor) -> Tensor:
    """Which images (N, C, H, W) are of one shade: all pixels within 1/255 of one another."""
    return x.flatten(1).amax(1) - x.flatten(1).amin(1) <= 1 / 255 + 1e-6


def confused(predicted: Tensor, y: Tensor, pair: tuple[int, int]) -> tuple[int, int]:
    """How many images of a pair of classes are given the other one's class, and how many images of it there are."""
    a, b = pair
    swapped = ((y == a) & (predicted == b)) | ((y == b) & (predicted == a))
    return int(swapped.sum()), int(((y == a) | (y == b)).sum())
