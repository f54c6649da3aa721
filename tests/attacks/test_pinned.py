"""Small things that one wrong sign would turn without a word: ties, copies, and what a default call is."""

import importlib

import pytest
import torch
from torch import nn

from fairlib import runtime
from fairlib.attacks import perc_al

pytestmark = pytest.mark.usefixtures("no_trace")
start = importlib.import_module("fairlib.attacks.pgd").start


class Ramp(nn.Module):
    """Logits (max(level - mean x, 0), 0): class 0 is right below the level; from there on there is a tie for ever."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, x):
        own = (self.level - x.mean((1, 2, 3))).relu()
        return torch.stack([own, torch.zeros_like(own)], 1)


class Linear(Ramp):
    """Logits (level - mean x, 0): the other class leads beyond the level."""

    def forward(self, x):
        own = self.level - x.mean((1, 2, 3))
        return torch.stack([own, torch.zeros_like(own)], 1)


@pytest.mark.filterwarnings("ignore")  # beyond the level the gradient is zero, which may be said
@pytest.mark.parametrize("N", [1, 5])
def test_a_tie_is_not_fooled_by_perc_al(N):
    x, y = torch.full((1, 3, 8, 8), 0.45), torch.zeros(1, dtype=torch.int64)
    assert torch.equal(perc_al(Ramp(0.5).eval(), x, y, N=N), x)
    turned = perc_al(Linear(0.5).eval(), x, y, N=N)
    assert turned.mean() > 0.5, "the same step, where the other class does come to lead"


def test_where_an_attack_starts_is_the_attacks_own():
    """A copy, so that what is written into it does not reach the caller's images; and likewise with a generator."""
    x = torch.rand(2, 1, 3, 3, generator=runtime.generator(0))
    before = x.clone()
    for generator in (None, runtime.generator(1)):
        point = start(x, 0.1, generator)
        assert torch.equal(point, x) == (generator is None)
        point.zero_()
        assert torch.equal(x, before)
