"""Algorithm 2 against its attack alone; Algorithm 3 for ten seeds in step against one after the other.

Algorithm 2 takes one gradient for each image besides its attack, so it stays within ten per cent of an attack that
takes ten gradients or more.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.measure import alike, compared, counted
from benchmarks.training import CLOSE, weights
from fairlib import attacks, dro, geography, runtime, training
from fairlib.book.experiments import fairer

ALPHA, SEEDS = 1e-4, range(10)  # small steps, so that the order in which floats are summed does not matter
BATCHES = (1, 32)
LIMIT = 1.10  # Algorithm 2 over its attack
ATTACK = partial(attacks.pgd, eps=0.03, step_size=0.005, iterations=20)


def adversarial(model: nn.Module, x: Tensor, y: Tensor, attack: dro.Attack = ATTACK) -> dro.WeightedImages:
    """D_rob of Algorithm 2."""
    options = {"lr": ALPHA, "generator": runtime.generator(0), "batch_size": fairer.BATCH}
    return dro.adversarial_data(model, x, y, attack=attack, **options)


def alone(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], Tensor]:
    """Algorithm 2's attacks without the rest: on the same images and weights, which are noted first."""
    noted: list[tuple[nn.Module, Tensor, Tensor]] = []

    def noting(theta: nn.Module, *batch: Tensor) -> Tensor:
        noted.append((copy.deepcopy(theta), *batch))
        return ATTACK(theta, *batch)

    adversarial(model, x, y, noting)
    return lambda: torch.cat([ATTACK(*batch) for batch in noted])


def rows(scale: float, seconds: float) -> Iterator[dict]:
    images = round(60 * scale)
    world = geography.world("train", fairer.IMAGES, seed=fairer.WORLD)
    x, y = world.x[:images], world.y[:images]
    model = training.shipped(*fairer.START)
    yield compared(
        "Algorithm 2, second paper", f"LeNet5, {images} images, PGD of 20 steps",
        {"fairlib": lambda: adversarial(model, x, y).x[images:], "its attack alone": alone(model, x, y)},
        alike(0), seconds=seconds, kind="part", aims={"ratio": LIMIT},
        why="A step takes a gradient towards the weights for each image, and twenty towards the image.",
    )  # fmt: skip
    rob = adversarial(model, x, y)
    for batch_size in BATCHES:
        options = {"lr": ALPHA, "rounds": 1, "batch_size": batch_size}
        _, macs = counted(lambda o=options: dro.train(model, rob, seed=0, **o))
        yield compared(
            f"Algorithm 3, {len(SEEDS)} seeds by {batch_size}", f"LeNet5, {len(rob.x)} images, steps of {batch_size}",
            {
                "fairlib": lambda o=options: weights(dro.train_many(model, rob, seeds=SEEDS, **o)),
                "seeds one by one": lambda o=options: weights([dro.train(model, rob, seed=s, **o) for s in SEEDS]),
            },
            alike(0, CLOSE), seconds=seconds, aims={"ratio": 1},
            macs={"fairlib": len(SEEDS) * macs},
            why="Ten small networks in one grouped convolution save calls; where batches are large, calls cost little.",
        )  # fmt: skip
