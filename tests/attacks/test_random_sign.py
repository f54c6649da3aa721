"""Random-sign noise against its definition."""

import pytest
import torch

from fairlib import runtime
from fairlib.attacks import fgsm, random_sign

pytestmark = pytest.mark.usefixtures("no_trace")


def is_fair_noise(attack, model, x, y) -> None:
    """Every pixel moves by eps, up as often as down, whatever the image and the label."""
    gray = torch.full_like(x, 0.5)
    moved = attack(model, gray, torch.zeros_like(y), eps=0.25) - gray  # what looks at neither sees one image
    assert moved.abs().eq(0.25).all()
    ups, n = (moved > 0).sum().item(), moved.numel()
    assert abs(ups - n / 2) < 5 * (n / 4) ** 0.5  # binomial
    shared = (moved[0] > 0) == (moved[1] > 0)
    assert 0.4 < shared.float().mean() < 0.6, "one pattern for all images"


def noise(model, x, y, *, eps):
    return random_sign(model, x, y, eps=eps, generator=runtime.generator(0))


def test_noise(model, digits):
    is_fair_noise(noise, model, *digits)


@pytest.mark.parametrize(
    "mutant",
    [
        fgsm,
        lambda model, x, y, *, eps: x,
        lambda model, x, y, *, eps: noise(model, x, y, eps=eps / 2),
        lambda model, x, y, *, eps: noise(model, x, y, eps=eps)[:1].expand_as(x),
        lambda model, x, y, *, eps: x + eps,
        lambda model, x, y, *, eps: x + eps * (2 * torch.rand(x.shape, generator=runtime.generator(0)) - 1),
    ],
    ids=["fgsm", "no-op", "half", "one for all", "always up", "uniform"],
)
def test_a_mutant_is_found(mutant, model, digits):
    with pytest.raises(AssertionError):
        is_fair_noise(mutant, model, *digits)


def test_it_is_clipped_and_drawn_by_the_generator(model, digits):
    x, y = digits
    x_adv = noise(model, x, y, eps=0.3)
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    assert x_adv[x == 0].unique().tolist() == pytest.approx([0.0, 0.3])
    assert torch.equal(x_adv, noise(model, x, (y + 1) % 10, eps=0.3))
    assert not torch.equal(x_adv, random_sign(model, x, y, eps=0.3, generator=runtime.generator(1)))
    assert torch.equal(noise(model, x, y, eps=0.0), x) and torch.equal(x, digits[0])


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"eps": 1.5}, "eps is 1.5, expected a number in"),
        ({"x": torch.zeros(2, 28, 28)}, r"x has shape \(2, 28, 28\), expected \(N, 1, 28, 28\)"),
        ({"y": torch.tensor([0])}, r"y has shape \(1,\), expected \(2,\)"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, mend, model, digits):
    arguments = {"x": digits[0][:2], "y": digits[1][:2], "eps": 0.1, "generator": runtime.generator(0)} | wrong
    with pytest.raises(ValueError, match=mend):
        random_sign(model, **arguments)
