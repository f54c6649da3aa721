"""The networks of the first paper as the experiments take them: which, how many of each, and in which batches."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from fairlib import attacks, data, ensemble, evaluation, training
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

PAIRS = tuple(product(training.RELEASED_EPOCHS, data.DATASETS))  # the paper's networks, each on both data sets
SEEDS = tuple(range(10))
IMAGES = {"embedded": 2_000, "paper": 10_000}  # test images for each training
METHODS = ("defenseless", "defended", "loose")
BATCH = 100  # LeNet's maps of so many images fit into a core's cache


def trainings(network: str, dataset: str, images: int) -> Iterator[tuple[int, LayeredModel, tuple[Tensor, Tensor]]]:
    """The ten trainings of a network as the released code makes them, each with test images and labels of its own.

    The seed names the training and its draw of images, so that a spread over the seeds is that of both at once.
    """
    x, y = data.load(dataset, "test")
    for seed, model in zip(SEEDS, ensemble.released(network, dataset, seeds=SEEDS), strict=True):
        yield seed, model, evaluation.draw(x, y, images, seed=seed)


def attacked(model: LayeredModel, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM in batches: like x (N, C, H, W)."""
    return torch.cat([attacks.fgsm(model, a, b, eps=eps) for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True)])


def answers(model: LayeredModel, x: Tensor) -> Tensor:
    """The classes that the undefended network gives to x (N, C, H, W), in batches: (N,)."""
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in x.split(BATCH)])


def distances(defense: CentroidDefense, x: Tensor) -> Tensor:
    """`defense.distances` of x (N, C, H, W) in batches: (L, N, S, K)."""
    return torch.cat([defense.distances(batch) for batch in x.split(BATCH)], dim=1)


def equally_wide(model: LayeredModel) -> list[str]:
    """The released taps that have as many numbers in them as the widest one."""
    with torch.no_grad():
        size = {name: a.numel() for name, a in model.layers(torch.zeros(1, *model.shape))}
    most = max(size[name] for name in model.released_taps)
    return [name for name in model.released_taps if size[name] == most]
