"""Auto-PGD against a closed form, torchattacks and PGD; and mutants of it, which the same checks find."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchattacks
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Logits

from fairlib import runtime
from fairlib.attacks import apgd, pgd
from fairlib.attacks.apgd import periods, ratio, start
from fairlib.models import LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")
LOSSES = {"cross-entropy": "ce", "dlr": "dlr"}


class Lines(LayeredModel):
    """Three linear logits of six pixels."""

    shape, classes = (1, 2, 3), 3
    weight = torch.tensor([[1.0, -2, 0.5, 0.25, -0.125, 3], [-1, 1, 1.5, -2, 4, 1], [-9, -9, -9, -9, -9, -9]])

    def layers(self, x):
        yield "logits", x.flatten(1) @ self.weight.T


LINES = Lines().eval()
X = torch.rand(40, 1, 2, 3, generator=runtime.generator(5))
Y = LINES(X).argmax(1)  # the third class is never near


def reaches_the_corner(attack, dlr: bool = False) -> None:
    """The third class is out of reach: the cross-entropy is highest at one corner, where that does not fool."""
    sign = (LINES.weight[1 - Y] - LINES.weight[Y]).sign().view_as(X)
    for eps in (0.02, 0.1):
        worst = (X + eps * sign).clip(0, 1)
        x_adv = attack(LINES, X, Y, eps=eps, generator=runtime.generator(0), iterations=60)
        fooled, possible = (LINES(z).argmax(1) != Y for z in (x_adv, worst))
        assert torch.equal(fooled, possible) and (~fooled).sum() > 0
        if not dlr:  # whose quotient the third logit moves, too
            torch.testing.assert_close(x_adv[~fooled], worst[~fooled], rtol=0, atol=1e-3)


def stays_within_the_budget(attack, dlr: bool = False) -> None:
    for iterations in (1, 7, 30):
        x_adv = attack(LINES, X, Y, eps=0.2, generator=runtime.generator(1), iterations=iterations)
        assert (x_adv - X).abs().max() <= 0.2 + 1e-6
        assert x_adv.min() >= 0 and x_adv.max() <= 1


CHECKS = [reaches_the_corner, stays_within_the_budget]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_apgd(check, loss):
    check(lambda *given, **options: apgd(*given, **options, loss=loss), dlr=loss == "dlr")


MUTANTS = {
    "no-op": (lambda model, x, y, **options: x.clone(), reaches_the_corner),
    "downhill": (lambda model, x, y, **options: apgd(model, x, 1 - y, **options), reaches_the_corner),
    "only the start": (
        lambda model, x, y, eps, generator, **_: start(x, eps, generator).clip(0, 1),
        reaches_the_corner,
    ),
    "twice the budget": (
        lambda model, x, y, eps, **options: apgd(model, x, y, eps=2 * eps, **options),
        stays_within_the_budget,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name):
    mutant, check = MUTANTS[name]
    with pytest.raises(AssertionError):
        check(mutant)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("eps", [0.05, 0.1])
def test_it_fools_the_images_that_torchattacks_fools(model, digits, loss, eps):
    x, y = digits
    with torch.no_grad():
        right = model(x).argmax(1) == y  # theirs leaves the others alone
    x, y, network = x[right], y[right], Logits(copy.deepcopy(model)).eval()
    with torch.random.fork_rng(devices=[]):  # theirs sets the global seed
        theirs = torchattacks.APGD(network, eps=eps, steps=40, seed=3, loss=LOSSES[loss])(x, y)
    ours = apgd(network, x, y, eps=eps, generator=runtime.generator(3), iterations=40, loss=loss)
    fooled, expected = (network(z).argmax(1) != y for z in (ours, theirs))
    assert 0.1 < expected.float().mean() < 0.99
    assert (fooled == expected).float().mean() >= 0.98  # each loss's own rounding


def test_it_is_as_strong_as_pgd(model, digits):
    x, y = digits
    left = {
        "pgd": model(pgd(model, x, y, eps=0.05, step_size=0.05 / 8, iterations=20)).argmax(1) == y,
        "apgd": model(apgd(model, x, y, eps=0.05, generator=runtime.generator(0), iterations=50)).argmax(1) == y,
    }
    assert left["apgd"].sum() <= left["pgd"].sum() < len(x)


def test_the_ratio_by_hand():
    z, y = torch.tensor([[3.0, 1.0, 0.0, -5.0], [3.0, 1.0, 0.0, -5.0]]), torch.tensor([0, 1])
    torch.testing.assert_close(ratio(z, y), torch.tensor([-2 / 3, 2 / 3]))
    torch.testing.assert_close(ratio(7 * F.log_softmax(z, 1), y), ratio(z, y))


def test_the_looks_come_closer():
    """Croce and Hein, section 3: 0.22, then 0.03 less each time, 0.06 at least, of 100 iterations."""
    found = list(periods(100))
    assert [length for _, length in found] == [22, 19, 16, 13, 10, 7, 6, 6]
    assert [t for t, _ in found] == [22, 41, 57, 70, 80, 87, 93, 99]


@settings(max_examples=25, deadline=None)
@given(eps=st.floats(0, 1), iterations=st.integers(1, 12), seed=st.integers(0, 9), loss=st.sampled_from(sorted(LOSSES)))
def test_budget_and_range_hold(eps, iterations, seed, loss):
    options = {"eps": eps, "iterations": iterations, "loss": loss}
    x_adv = apgd(LINES, X, Y, generator=runtime.generator(seed), **options)
    assert ((x_adv >= 0) & (x_adv <= 1)).all() and ((x_adv - X).abs() <= eps + 1e-6).all()
    assert torch.equal(x_adv, apgd(LINES, X, Y, generator=runtime.generator(seed), **options))


def test_the_caller_is_left_alone(model, digits):
    network, x, y = copy.deepcopy(model), digits[0][:4].clone().requires_grad_(), digits[1][:4]
    x_adv = apgd(network, x, y, eps=0.1, generator=runtime.generator(0), iterations=2)
    assert torch.equal(x, digits[0][:4]) and x.grad is None and not x_adv.requires_grad
    assert all(p.grad is None for p in network.parameters()) and not network.training


class TwoClasses(Lines):
    classes, weight = 2, Lines.weight[:2]


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"eps": 8}, "eps is 8, expected a number in"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"loss": "ce"}, "loss is 'ce', expected one of: cross-entropy, dlr"),
        ({"generator": 0}, "generator is 0, expected a Generator"),
        ({"model": TwoClasses().eval(), "loss": "dlr"}, "2 classes, expected 3 or more for loss='dlr'"),
        ({"x": 255 * X}, r"x spans .* expected pixels in \[0, 1\]"),
        ({"y": Y[:3]}, r"y has shape \(3,\), expected \(40,\)"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, mend):
    arguments = {"model": LINES, "x": X, "y": Y, "eps": 0.1, "generator": runtime.generator(0), "iterations": 1} | wrong
    with pytest.raises(ValueError, match=mend):
        apgd(**arguments)
