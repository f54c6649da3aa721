"""Small things that one slip would turn without a word: ties, copies, empty batches, seeds that are no generators."""

import importlib
from dataclasses import replace
from functools import partial

import pytest
import torch
from scipy import stats
from torch import nn

from fairlib import perceptual as perceptual_distances
from fairlib import runtime, training
from fairlib.attacks import adaptive, apgd, lpa, perc_al, perceptual, pgd, pgd_l2, ppgd, random_sign, square
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")
starting_point = importlib.import_module("fairlib.attacks.pgd").starting_point


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
    assert torch.equal(perc_al(Ramp(0.5).eval(), x, y, iterations=N), x)
    turned = perc_al(Linear(0.5).eval(), x, y, iterations=N)
    assert turned.mean() > 0.5, "the same step, where the other class does come to lead"


def test_a_lead_of_less_than_a_is_not_enough_after_one_step_either():
    """Steps of length 0.1 sqrt(192) on 192 values raise the mean, and with it the lead, by 0.1: -0.05, 0.05, 0.15."""
    x, y = torch.full((1, 3, 8, 8), 0.45), torch.zeros(1, dtype=torch.int64)
    for a, mean in ((0.0, 0.55), (0.02, 0.55), (0.12, 0.65)):
        x_adv = pgd_l2(Linear(0.5).eval(), x, y, step_size=0.1 * 192**0.5, confidence=a, iterations=5, quantise="round")
        assert x_adv.mean().item() == pytest.approx(mean, abs=1 / 255)


def test_where_an_attack_starts_is_the_attacks_own():
    """A copy, so that what is written into it does not reach the caller's images; and likewise with a generator."""
    x = torch.rand(2, 1, 3, 3, generator=runtime.generator(0))
    before = x.clone()
    for generator in (None, runtime.generator(1)):
        point = starting_point(x, 0.1, generator)
        assert torch.equal(point, x) == (generator is None)
        point.zero_()
        assert torch.equal(x, before)


def test_a_random_start_is_uniform_over_the_ball():
    """Kolmogorov and Smirnov; the seed is fixed, so that it is no matter of luck."""
    x = torch.full((1, 1, 50, 80), 0.5)
    drawn = (starting_point(x, 0.2, runtime.generator(2)) - x).flatten() / 0.2
    assert stats.kstest(drawn, stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_bytes_are_refused_before_noise_makes_them_floats():
    network = training.initialised("FullyConnected", seed=0).eval()
    x, y = torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"x has dtype torch\.uint8, expected torch\.float32; divide 8-bit pixels"):
        pgd(network, x, y, eps=0.1, step_size=0.1, iterations=1, generator=runtime.generator(0))


class NeverEmpty(nn.Module):
    """Passes on what it gets, unless that is no image at all: many networks fail there."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        assert len(x), "asked about a batch of no images"
        return self.inner(x)


SSIM = perceptual_distances.distance("SSIM")
FILLED = replace(SSIM, between=lambda kept, x_adv: SSIM.between(kept, NeverEmpty(nn.Identity())(x_adv)))
ATTACKS = {
    "lpa": partial(lpa, bound=0.1, distance=FILLED, iterations=3, searches=2),
    "perc_al": partial(perc_al, iterations=3),
    "perceptual": partial(perceptual, cost=FILLED, iterations=3),
    "pgd_l2": partial(pgd_l2, iterations=3),
    "ppgd": partial(ppgd, bound=0.1, distance=FILLED, iterations=3, conjugate_iterations=2),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_where_every_image_is_wrong_already_nothing_is_asked_again(attack):
    x, y = torch.full((2, 3, 16, 16), 0.8), torch.zeros(2, dtype=torch.int64)
    assert torch.equal(attack(NeverEmpty(Linear(0.5)).eval(), x, y), x)


@pytest.mark.parametrize("generator", [0, "0", torch], ids=["seed", "word", "module"])
@pytest.mark.parametrize(
    "attack",
    [
        partial(random_sign, eps=0.1),
        partial(pgd, eps=0.1, step_size=0.1, iterations=1),
        partial(adaptive, eps=0.1, iterations=1),
        partial(apgd, eps=0.1, iterations=1),
        partial(square, eps=0.1, queries=1),
        ATTACKS["lpa"],
        ATTACKS["ppgd"],
    ],
    ids=["random_sign", "pgd", "adaptive", "apgd", "square", "lpa", "ppgd"],
)
def test_what_is_no_generator_is_refused(attack, generator):
    """A seed above all: what draws from it would draw the same again and again, or not at all."""
    network = training.initialised("FullyConnected", seed=0).eval()
    x, y = torch.full((1, 1, 28, 28), 0.5), torch.zeros(1, dtype=torch.int64)
    if attack.func in (adaptive, square):
        network = CentroidDefense(network, torch.rand(10, 1, 28, 28, generator=runtime.generator(0)), [0.5] * 10)
    with pytest.raises(ValueError, match=r"generator is .*, expected a Generator; get one with .*runtime.generator"):
        attack(network, x, y, generator=generator)


def test_random_signs_need_a_generator():
    network = training.initialised("FullyConnected", seed=0).eval()
    with pytest.raises(ValueError, match="generator is None, expected a Generator"):
        random_sign(network, torch.zeros(1, 1, 28, 28), torch.zeros(1, dtype=torch.int64), eps=0.1, generator=None)
