"""FGSM and PGD against those of torchattacks, Foolbox and adv-lib, on the networks as each of them wants to see them.

python benchmarks/attacks.py [--images 1000] [--repeats 10]

One CPU thread, one batch; of each call the least time out of so many, all calls made in turn. The others attack the
fully-connected network's logits, and of LeNet-5 the author's plain network: the same weights, written as PyTorch's own
layers. That they do the same is seen to, but for entries whose gradient is lost in rounding, and for adv-lib, which
returns the first point that fools the network.
"""

import argparse
import copy
import importlib
import sys
import types
from collections.abc import Callable

import foolbox
import pandas as pd
import torch
import torchattacks
from torch import Tensor, nn

from fairlib import complexity, data, runtime, training
from fairlib.attacks import fgsm, pgd

EPS, STEP, STEPS = 0.1, 0.02, 10
WANTED = {"FullyConnected": 1.05, "LeNet5": 0.7}  # ours, in times of the fastest of the others


class Logits(nn.Module):
    """A network of the book without its log-softmax."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return list(self.network.layers(x))[-2][1]


def plain(name: str, network: nn.Module) -> nn.Module:
    """The network whose logits the other libraries attack."""
    network = copy.deepcopy(network)
    if name != "LeNet5":
        return Logits(network).eval()
    pooled = [nn.Sequential(layer, nn.ReLU(), nn.MaxPool2d(2)) for layer in (network.conv1, network.conv2)]
    dense = [network.fc1, nn.ReLU(), network.fc2, nn.ReLU(), network.fc3]
    return nn.Sequential(*pooled, nn.Flatten(), *dense).eval()


def calls(name: str, network: nn.Module, x: Tensor, y: Tensor) -> dict[str, dict[str, Callable[[], Tensor]]]:
    """For each attack, ours and the others' as functions without arguments."""
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))  # adv-lib imports it, for plots
    adv_lib = importlib.import_module("adv_lib.attacks")
    net, wrong = plain(name, network), foolbox.criteria.Misclassification(y)
    seen = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    torch_fgsm = torchattacks.FGSM(net, eps=EPS)
    torch_pgd = torchattacks.PGD(net, eps=EPS, alpha=STEP, steps=STEPS, random_start=False)
    foolbox_fgsm = foolbox.attacks.LinfFastGradientAttack()
    foolbox_pgd = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)
    options = {"ε": EPS, "steps": STEPS, "random_init": False, "absolute_step_size": STEP}
    return {
        "FGSM": {
            "ours": lambda: fgsm(network, x, y, eps=EPS),
            "torchattacks": lambda: torch_fgsm(x, y),
            "Foolbox": lambda: foolbox_fgsm.run(seen, x, wrong, epsilon=EPS),
        },
        "PGD": {
            "ours": lambda: pgd(network, x, y, eps=EPS, step_size=STEP, iterations=STEPS),
            "torchattacks": lambda: torch_pgd(x, y),
            "Foolbox": lambda: foolbox_pgd.run(seen, x, wrong, epsilon=EPS),
            "adv-lib": lambda: adv_lib.pgd_linf(net, x, y, **options),
        },
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--images", type=int, default=1_000, help="in the batch (default 1,000)")
    arguments.add_argument("--repeats", type=int, default=10, help="the least of so many times counts (default 10)")
    given = arguments.parse_args()
    # Of the images of which the network is not so sure that the others' gradients round to 0.
    x, y = data.load("FashionMNIST", "test")
    rows = {}
    print(f"{given.images} images in one batch, torch {torch.__version__}, one thread; milliseconds\n")
    with runtime.threads(1):
        for name in training.RELEASED_EPOCHS:
            network = training.shipped(name, "FashionMNIST")
            with torch.no_grad():
                doubted = 1 - network(x).exp()[range(len(x)), y] > 1e-4
            for attack, made in calls(name, network, x[doubted][: given.images], y[doubted][: given.images]).items():
                ours = made["ours"]()
                for library in made.keys() - {"adv-lib"}:
                    apart = ((made[library]() - ours).abs() > 1e-3).float().mean().item()
                    assert apart < (1e-3 if attack == "FGSM" else 0.02), f"{library} does something else: {apart:.4f}"
                least = 1_000 * complexity.times(made, rounds=1, repeats=given.repeats).iloc[0]
                row = least.to_dict() | {"ours / fastest": least["ours"] / least.drop("ours").min()}
                rows[name, attack] = row | {"wanted": WANTED[name]}
    print(pd.DataFrame(rows).T.to_string(float_format="{:.2f}".format, na_rep=""))


if __name__ == "__main__":
    main()
