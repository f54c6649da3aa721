"""Networks trained otherwise: with one pool, and by the rule that the paper prints."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import data, evaluation, training
from fairlib.book.experiments.future_work import EPS
from fairlib.book.experiments.shared import BATCH
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel, LeNet5

SEEDS = (0, 1, 2)  # few: a training is a long one


class OnePool(LeNet5):
    """LeNet as section 3.3 reads: one 2x2 max-pool, between the two convolutions; hence 1,600 inputs to `fc1`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(1600, 120)

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        z = self.conv1(x)
        yield "conv1", z
        z = self.conv2(F.max_pool2d(z.relu(), 2))
        yield "conv2", z
        a = z.relu().flatten(1)
        for name in ("fc1", "fc2"):
            z = getattr(self, name)(a)
            yield name, z
            a = z.relu()
        z = self.fc3(a)
        yield "fc3", z
        yield "log_softmax", F.log_softmax(z, dim=1)


def one_pool(network: str, dataset: str, images: int) -> list[dict]:
    """`OnePool` trained as the released code trains LeNet: a row per `seed`."""
    rows = []
    for seed in SEEDS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = OnePool()
        split = data.train_validation(*data.load(dataset, "train"), seed=seed)
        training.fit(model, *split, epochs=training.RELEASED_EPOCHS[network], stop_at=None)
        rows.append({"seed": seed, "variant": "one pool"} | plainly(model, dataset, images))
    return rows


def printed_rule(network: str, dataset: str, images: int) -> list[dict]:
    """Training until 95 % validation accuracy or for 20 epochs, in the released order: a row per `seed`."""
    rows = []
    for seed in SEEDS:
        model = training.initialised(network, seed=seed)
        split = data.train_validation(*data.load(dataset, "train"), seed=seed)
        training.fit(model, *split, epochs=20, stop_at=0.95)
        rows.append({"seed": seed, "variant": "printed rule"} | plainly(model, dataset, images))
    return rows


def plainly(model: LayeredModel, dataset: str, images: int) -> dict[str, list[int]]:
    """How many of the first test images come out right with the plain defence: a list over `EPS` for each method."""
    defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
    x, y = (t[:images] for t in data.load(dataset, "test"))
    table = evaluation.under_attack(model, x, y, eps=EPS, defense=defense, batch_size=BATCH)
    return {method: rows["right"].tolist() for method, rows in table.groupby("method")}
