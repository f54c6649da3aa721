"""Models, attacks and data sets that the tests of Algorithms 2 and 3 share."""

from functools import partial

import torch
from torch import nn

from fairlib import attacks, dro, runtime, training
from fairlib.dro import algorithm2


class Logistic(nn.Module):
    """Three classes, images of 2x2 pixels; every gradient has a closed form."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.linear = nn.utils.skip_init(nn.Linear, 4, 3)  # draws nothing
        w = torch.randn(3, 5, generator=runtime.generator(seed))
        self.linear.load_state_dict({"weight": w[:, :4], "bias": w[:, 4]})

    def forward(self, x):
        return self.linear(x.flatten(1))


def uphill(model, x, y):
    """A step of length 0.05 up the loss, and a tenth of the way to grey."""
    z = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(nn.functional.cross_entropy(model(z), y, reduction="sum"), z)
    return (0.9 * (x + 0.05 * g / g.flatten(1).norm(dim=1).view(-1, 1, 1, 1)) + 0.05).clamp(0, 1)


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def made(digits, *, seed=0, model=None, **options):
    """D_rob of ten of the digits, by noise that shares the generator."""
    g = runtime.generator(seed)
    x, y = (part[:10] for part in digits)
    attack = partial(attacks.random_sign, eps=0.1, generator=g)
    given = {"attack": attack, "lr": 0.1, "iterations": 2, "batch_size": 4, "generator": g} | options
    return dro.adversarial_data(model or training.initialised("LeNet5", seed=0).eval(), x, y, **given)


def noise(generator):
    def signs(model, x, y):
        return attacks.random_sign(model, x, y, eps=0.1, generator=generator)

    return signs


class Interrupted(Exception):
    pass


def interrupt_after(calls: int, monkeypatch) -> None:
    """Let Algorithm 2 attack so often and then break."""
    left, attacked = iter(range(calls)), algorithm2._attacked

    def interrupted(*arguments):
        if next(left, None) is None:
            raise Interrupted
        return attacked(*arguments)

    monkeypatch.setattr(algorithm2, "_attacked", interrupted)
