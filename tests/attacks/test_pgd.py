"""PGD against a closed form, Foolbox and FGSM; and mutants of it, which the same checks find."""

import copy

import foolbox
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Logits, doubted, same_but_for_noise

from fairlib import runtime
from fairlib.attacks import fgsm, input_gradient, pgd
from fairlib.models import LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")


class TwoSides(LayeredModel):
    """log-softmax(W x) on images of six pixels, two classes: the loss falls or rises along one fixed direction."""

    shape, classes = (1, 2, 3), 2
    weight = torch.tensor([[1.0, -2.0, 0.5, 0.25, -0.125, 3.0], [-1.0, 1.0, 1.5, -2.0, 4.0, 1.0]])

    def layers(self, x):
        yield "log_softmax", F.log_softmax(x.flatten(1) @ self.weight.T, dim=1)


LINE = TwoSides().eval()
X, Y = torch.rand(16, 1, 2, 3, generator=torch.Generator().manual_seed(5)), torch.arange(16) % 2


def reaches_the_corner(attack) -> None:
    """The loss's maximum over the ball is its corner in the direction W_other - W_y, cut to [0, 1]."""
    direction = (LINE.weight[1 - Y] - LINE.weight[Y]).sign().view_as(X)
    for eps in (0.1, 0.4):
        for generator in (None, runtime.generator(0)):
            x_adv = attack(LINE, X, Y, eps=eps, step_size=eps / 4, iterations=10, generator=generator)
            torch.testing.assert_close(x_adv, (X + eps * direction).clip(0, 1), rtol=0, atol=1e-6)


def stays_within_the_budget(attack) -> None:
    for steps, step in ((1, 0.9), (7, 0.05), (30, 0.3)):
        x_adv = attack(LINE, X, Y, eps=0.2, step_size=step, iterations=steps, generator=runtime.generator(1))
        assert (x_adv - X).abs().max() <= 0.2 + 1e-6
        assert x_adv.min() >= 0 and x_adv.max() <= 1


def steps_are_of_the_size_given(attack) -> None:
    x_adv = attack(LINE, torch.full_like(X, 0.5), Y, eps=0.4, step_size=0.05, iterations=3)
    torch.testing.assert_close((x_adv - 0.5).abs(), torch.full_like(X, 0.15))


CHECKS = [reaches_the_corner, stays_within_the_budget, steps_are_of_the_size_given]


@pytest.mark.parametrize("check", CHECKS)
def test_pgd(check):
    check(pgd)


def mutant(change):
    """PGD with one line changed: `change(z, step, gradient, x, eps)` is the next point."""

    def attack(model, x, y, *, eps, step_size, iterations, generator=None):
        z = x if generator is None else (x + eps * (2 * torch.rand(x.shape, generator=generator) - 1)).clip(0, 1)
        for _ in range(iterations):
            z = change(z, step_size, input_gradient(model, z, y), x, eps)
        return z

    return attack


MUTANTS = {
    "downhill": (lambda z, s, g, x, e: (z - s * g.sign()).clip(x - e, x + e).clip(0, 1), reaches_the_corner),
    "no ball": (lambda z, s, g, x, e: (z + s * g.sign()).clip(0, 1), stays_within_the_budget),
    "no range": (lambda z, s, g, x, e: (z + s * g.sign()).clip(x - e, x + e), stays_within_the_budget),
    "from x each time": (lambda z, s, g, x, e: (x + s * g.sign()).clip(x - e, x + e).clip(0, 1), reaches_the_corner),
    "gradient without sign": (lambda z, s, g, x, e: (z + s * g).clip(x - e, x + e), steps_are_of_the_size_given),
    "full step": (lambda z, s, g, x, e: (z + e * g.sign()).clip(x - e, x + e), steps_are_of_the_size_given),
    "no-op": (lambda z, s, g, x, e: z, reaches_the_corner),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name):
    change, check = MUTANTS[name]
    with pytest.raises(AssertionError):
        check(mutant(change))


def test_the_unchanged_mutant_is_pgd():
    """Else the mutants would be found for another reason."""
    same = mutant(lambda z, s, g, x, e: (z + s * g.sign()).clip(x - e, x + e).clip(0, 1))
    for check in CHECKS:
        check(same)


def test_pgd_equals_foolbox(model, digits):
    x, y = (part[doubted(model, *digits)][:50] for part in digits)
    theirs = foolbox.PyTorchModel(Logits(copy.deepcopy(model)).eval(), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(abs_stepsize=0.03, steps=7, random_start=False)
    expected = attack.run(theirs, x, foolbox.criteria.Misclassification(y), epsilon=0.1)
    found = pgd(model, x, y, eps=0.1, step_size=0.03, iterations=7)
    same_but_for_noise(found, expected, 5e-3)  # one image of 50 may turn where its gradient is near zero


def test_one_whole_step_is_fgsm(model, digits):
    x, y = digits
    torch.testing.assert_close(pgd(model, x, y, eps=0.1, step_size=0.1, iterations=1), fgsm(model, x, y, eps=0.1))


def test_it_is_stronger_than_fgsm(model, digits):
    x, y = digits

    def loss(z):
        with torch.no_grad():
            return F.nll_loss(model(z), y)

    assert loss(pgd(model, x, y, eps=0.1, step_size=0.02, iterations=20)) > loss(fgsm(model, x, y, eps=0.1))


@settings(max_examples=40, deadline=None)
@given(eps=st.floats(0, 1), step=st.floats(0, 1), steps=st.integers(1, 5), seed=st.none() | st.integers(0, 9))
def test_budget_and_range_hold(eps, step, steps, seed):
    generator = None if seed is None else runtime.generator(seed)
    x_adv = pgd(LINE, X, Y, eps=eps, step_size=step, iterations=steps, generator=generator)
    assert ((x_adv >= 0) & (x_adv <= 1)).all() and ((x_adv - X).abs() <= eps + 1e-6).all()
    assert (x_adv.shape, x_adv.dtype) == (X.shape, X.dtype)


def test_a_random_start_is_the_generators():
    starts = [
        pgd(LINE, X, Y, eps=0.2, step_size=0.0, iterations=1, generator=runtime.generator(seed)) for seed in (0, 0, 1)
    ]
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])
    inner = (X > 0.2) & (X < 0.8)  # where nothing was clipped: uniform on [-0.2, 0.2]
    moved = (starts[0] - X)[inner]
    assert -0.2 <= moved.min() < -0.15 and 0.15 < moved.max() <= 0.2
    assert torch.equal(pgd(LINE, X, Y, eps=0.2, step_size=0.0, iterations=1), X)


def test_the_caller_is_left_alone(model, digits):
    network, x, y = copy.deepcopy(model), digits[0][:4].clone().requires_grad_(), digits[1][:4]
    x_adv = pgd(network, x, y, eps=0.1, step_size=0.1, iterations=2)
    assert torch.equal(x, digits[0][:4]) and x.grad is None
    assert not x_adv.requires_grad and x_adv.data_ptr() != x.data_ptr()
    assert all(p.grad is None for p in network.parameters()) and not network.training


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"eps": 8}, "eps is 8, expected a number in"),
        ({"step_size": -0.1}, "step_size is -0.1, expected a number in"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"x": X.double()}, r"x has dtype torch.float64, expected torch.float32"),
        ({"x": 255 * X}, r"x spans .* expected pixels in \[0, 1\]"),
        ({"y": Y[:3]}, r"y has shape \(3,\), expected \(16,\)"),
        ({"y": Y + 1}, r"y spans \[1, 2\], expected labels in \[0, 1\]"),
        ({"model": TwoSides().train()}, r"training mode, expected evaluation mode; call model.eval\(\) first"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, mend):
    arguments = {"model": LINE, "x": X, "y": Y, "eps": 0.1, "step_size": 0.1, "iterations": 1} | wrong
    with pytest.raises(ValueError, match=mend):
        pgd(**arguments)
