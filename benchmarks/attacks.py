"""Inference, FGSM, PGD and Square against PyTorch's own layers, torchattacks, Foolbox and adv-lib.

The others attack the logits of the same weights, written as PyTorch's own layers. Random searches, and adv-lib, which
returns the first point that fools the network, are not compared image by image, but by how many images they fool.
"""

import copy
import importlib
import sys
import types
from collections.abc import Callable, Iterator

import foolbox
import torch
import torchattacks
from torch import Tensor, nn

from benchmarks.measure import alike, batched, compared
from fairlib import data, runtime, training
from fairlib.attacks import fgsm, pgd, square

EPS, STEP, STEPS, QUERIES = 0.1, 0.02, 10, 50
BATCH = {"FullyConnected": 1_000, "LeNet5": 100}  # of the sizes tried the quickest, for everyone
AIMS = {
    "inference": {"FullyConnected": {"share": 0.75}, "LeNet5": {"share": 0.6}},
    "FGSM": {"FullyConnected": {"ratio": 1.05, "share": 0.4}, "LeNet5": {"ratio": 0.7, "share": 0.4}},
    "PGD": {"FullyConnected": {"ratio": 1.05}, "LeNet5": {"ratio": 0.7}},
}
CHECKS = (
    "Ours looks whether images are in range and gradients are finite, and climbs a margin whose sign does not round "
    "to zero: passes over memory that beside a small network's products are not cheap."
)
WHY = {
    "inference": "The products are the same; ours hands out each layer's activation by name, from Python.",
    "FGSM": CHECKS,
    "PGD": CHECKS,
    "Square": "For each square ours asks the network twice: whether it is fooled, and by how much another class leads.",
}


def plain(name: str, network: nn.Module) -> nn.Module:
    """The network's logits as PyTorch's own layers."""
    network = copy.deepcopy(network)
    if name == "LeNet5":
        pooled = [nn.Sequential(layer, nn.ReLU(), nn.MaxPool2d(2)) for layer in (network.conv1, network.conv2)]
        dense = [network.fc1, nn.ReLU(), network.fc2, nn.ReLU(), network.fc3]
        return nn.Sequential(*pooled, nn.Flatten(), *dense).eval()
    hidden = [nn.Sequential(getattr(network, layer), nn.ReLU()) for layer in network.hidden]
    return nn.Sequential(nn.Flatten(), *hidden, network.linear_out).eval()


def answers(network: nn.Module, x: Tensor, size: int) -> Tensor:
    """What the network answers, so many images at a time."""
    with torch.no_grad():
        return torch.cat([network(batch) for batch in x.split(size)])


def doubted(network: nn.Module, x: Tensor, y: Tensor, images: int) -> tuple[Tensor, Tensor]:
    """The first images of which the network is not so sure that the gradient of its cross-entropy rounds to zero."""
    with torch.no_grad():
        doubt = 1 - network(x).exp()[range(len(x)), y] > 1e-4
    return x[doubt][:images], y[doubt][:images]


def ways(network: nn.Module, net: nn.Module, x: Tensor, y: Tensor, size: int) -> dict[str, dict[str, Callable]]:
    """For each attack, ours and the others' as functions without arguments."""
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))  # adv-lib imports it, for plots
    adv_lib = importlib.import_module("adv_lib.attacks")
    seen = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    options = {"ε": EPS, "steps": STEPS, "random_init": False, "absolute_step_size": STEP}
    steps = {"steps": STEPS, "random_start": False}

    def of_foolbox(attack: foolbox.attacks.base.Attack) -> Callable:
        return lambda x, y: attack.run(seen, x, foolbox.criteria.Misclassification(y), epsilon=EPS)

    found = {
        "FGSM": {
            "fairlib": lambda x, y: fgsm(network, x, y, eps=EPS),
            "torchattacks": torchattacks.FGSM(net, eps=EPS),
            "Foolbox": of_foolbox(foolbox.attacks.LinfFastGradientAttack()),
        },
        "PGD": {
            "fairlib": lambda x, y: pgd(network, x, y, eps=EPS, step_size=STEP, iterations=STEPS),
            "torchattacks": torchattacks.PGD(net, eps=EPS, alpha=STEP, **steps),
            "Foolbox": of_foolbox(foolbox.attacks.LinfPGD(abs_stepsize=STEP, **steps)),
            "adv-lib": lambda x, y: adv_lib.pgd_linf(net, x, y, **options),
        },
        "Square": {
            "fairlib": lambda x, y: square(
                network, x, y, eps=EPS, queries=QUERIES, generator=runtime.generator(0), temperatures=[1.0]
            ),
            "torchattacks": torchattacks.Square(net, eps=EPS, n_queries=QUERIES),
        },
    }
    return {
        name: {way: batched(attack, x, y, size) for way, attack in attacks.items()} for name, attacks in found.items()
    }


def as_strong(net: nn.Module, x: Tensor, y: Tensor, *libraries: str) -> Callable[[dict[str, Tensor]], None]:
    """A check that these stay within the budget, and fool as many images as ours within one in ten."""

    def check(results: dict[str, Tensor]) -> None:
        ours, *_ = results
        rates = {
            way: (answers(net, results[way], len(x)).argmax(1) != y).float().mean().item() for way in (ours, *libraries)
        }
        for way, rate in rates.items():
            if abs(rate - rates[ours]) > 0.1 or (results[way] - x).abs().max() > EPS + 1e-5:
                raise RuntimeError(f"{way} does something else than {ours}: it fools {rate:.2f}, not {rates[ours]:.2f}")

    return check


def rows(scale: float, seconds: float) -> Iterator[dict]:
    x, y = data.load("FashionMNIST", "test")
    for name, size in BATCH.items():
        network = training.shipped(name, "FashionMNIST")
        net, (few, labels) = plain(name, network), doubted(network, x, y, round(1_000 * scale))
        on = f"{name}, {len(few):,} images, {min(size, len(few)):,} at a time"
        likely = nn.Sequential(net, nn.LogSoftmax(1))
        forward = {
            "fairlib": lambda network=network, few=few, size=size: answers(network, few, size),
            "PyTorch": lambda network=likely, few=few, size=size: answers(network, few, size),
        }
        aims = {method: found[name] for method, found in AIMS.items()}
        yield compared(
            "inference", on, forward, alike(0), seconds=seconds, aims=aims["inference"], why=WHY["inference"]
        )
        for method, found in ways(network, net, few, labels, size).items():
            strong = as_strong(
                net, few, labels, *(found.keys() & ({"adv-lib"} if method == "PGD" else {"torchattacks"}))
            )
            same = alike({"FGSM": 1e-3, "PGD": 0.02}.get(method, 1), but={"adv-lib"})

            def check(results: dict, method=method, strong=strong, same=same) -> None:
                same(results)
                if method != "FGSM":
                    strong(results)

            yield compared(
                method, on, found, check, seconds=seconds, aims=aims.get(method, {"ratio": 1}), why=WHY[method]
            )
