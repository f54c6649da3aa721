"""Algorithm 1 against a loop that has no batch, and against closed forms; and mutants of it, which the checks find."""

import copy
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fairlib import photographs, runtime
from fairlib.attacks import perceptual, pgd_l2
from fairlib.attacks.loss import lead
from fairlib.perceptual import Distance, distance

pytestmark = pytest.mark.usefixtures("no_trace")

SQUARED = Distance("squared", 1, lambda x: (x,), lambda f, x_adv: (f[0] - x_adv).square().sum((1, 2, 3)) / 2)


class Network(torch.nn.Module):
    """A small random network with a bend, on images (N, 3, 4, 4); five classes."""

    def __init__(self) -> None:
        super().__init__()
        g = runtime.generator(0)
        self.first = torch.nn.Parameter(0.5 * torch.randn(48, 16, generator=g))
        self.second = torch.nn.Parameter(0.5 * torch.randn(16, 5, generator=g))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.first).tanh() @ self.second


class Constant(torch.nn.Module):
    """Two classes; the cross-entropy for label 0 is 0.3 + g.(x - 128/255), so that its gradient is g everywhere.

    It is log(1 + e^-l) for logits l and 0; l is chosen to fit. 0.3 is less than log 2: label 0 leads at first.
    """

    g = torch.linspace(-0.25, 0.25, 48)

    def forward(self, x: Tensor) -> Tensor:
        loss = 0.3 + (x.flatten(1) - 128 / 255) @ self.g
        return torch.stack([-torch.log(torch.expm1(loss)), torch.zeros_like(loss)], 1)


NETWORK = Network().eval()
X = torch.randint(40, 216, (24, 3, 4, 4), generator=runtime.generator(1)) / 255
with torch.no_grad():
    Y = NETWORK(X).argmax(1)


def literal(
    model, x, y, *, cost, step_size=0.1, cost_weight=1.0, confidence=0.0, iterations=100, quantise="floor"
) -> Tensor:
    """Algorithm 1 as it is printed, image by image: no batch that shrinks, and the cost is asked afresh each time."""
    found = []
    for image, label in zip(x.split(1), y.split(1), strict=True):
        x_adv = exact = image
        for k in range(iterations):
            z = x_adv.clone().requires_grad_()
            logits = model(z)
            others = torch.cat([logits[0, :label], logits[0, label + 1 :]])
            gap = (others.max() - logits[0, label]).item()
            if gap > confidence or (k == 0 and gap > 0):
                break
            phi = F.cross_entropy(logits, label) - cost_weight * cost.between(cost.features(image), z)[0]
            exact = (exact + step_size * torch.autograd.grad(phi, z)[0]).clamp(0, 1)
            levels = 255 * exact
            x_adv = (levels - levels % 1 if quantise == "floor" else levels.round()) / 255
            exact = exact if quantise == "straight_through" else x_adv
        found.append(x_adv)
    return torch.cat(found).detach()


def equals_the_loop(attack) -> None:
    """On a network with a bend: every option; images leave at different times, some before the first step."""
    y = Y.clone()
    y[::5] = (y[::5] + 1) % 5  # wrong as they come
    for options in (
        {},
        {"quantise": "round", "confidence": 1.0, "iterations": 25},
        {"quantise": "straight_through", "confidence": 0.5, "cost_weight": 0.5, "iterations": 30},
        {"quantise": "straight_through", "cost_weight": 30.0, "step_size": 0.01, "iterations": 7},
    ):
        found = attack(NETWORK, X, y, cost=SQUARED, **options)
        expected = literal(NETWORK, X, y, cost=SQUARED, **options)
        # A last bit, which the size of the batch decides, may decide about a level.
        assert ((found - expected).abs() * 255).max() < 1.01
        assert (found != expected).float().mean() < 0.01
        assert not torch.equal(expected, X)


def reaches_the_balance(attack) -> None:
    """A slope g against lam/2 ||d||^2, never finished: d_k = (1 - (1 - eps lam)^k) g / lam, and k eps g for lam = 0."""
    x, y = torch.full((2, 3, 4, 4), 128 / 255), torch.zeros(2, dtype=torch.int64)
    for k, lam, eps in ((1, 2.0, 0.1), (5, 2.0, 0.1), (40, 2.0, 0.1), (40, 50.0, 0.01), (5, 0.0, 0.05)):
        options = {"step_size": eps, "cost_weight": lam, "confidence": 1e9, "iterations": k}
        found = attack(Constant().eval(), x, y, cost=SQUARED, quantise="straight_through", **options)
        size = k * eps if lam == 0 else (1 - (1 - eps * lam) ** k) / lam
        torch.testing.assert_close(found, x + size * Constant.g.view(3, 4, 4).expand_as(x), rtol=0, atol=1.01 / 255)


def rounds_as_it_says(attack) -> None:
    """By hand, one step of 0.4, 0.6, -0.4 and -0.6 levels: down, nearest, and, on the third step, what has added up."""
    x, y = torch.full((1, 3, 4, 4), 128 / 255), torch.zeros(1, dtype=torch.int64)
    model = Constant().eval()
    model.g = torch.tensor([0.4, 0.6, -0.4, -0.6] * 12) / 255
    expected = {
        ("floor", 1): [0, 0, -1, -1],
        ("round", 1): [0, 1, 0, -1],
        ("straight_through", 1): [0, 1, 0, -1],
        ("floor", 3): [0, 0, -3, -3],
        ("round", 3): [0, 3, 0, -3],
        ("straight_through", 3): [1, 2, -1, -2],
    }
    for (quantise, N), levels in expected.items():
        found = attack(
            model, x, y, cost=SQUARED, step_size=1.0, cost_weight=0.0, confidence=1e9, iterations=N, quantise=quantise
        )
        assert (255 * (found - x)).flatten()[:4].round(decimals=2).tolist() == levels


def stops_at_the_lead(attack) -> None:
    """What comes back leads by more than a; a larger a takes an image further, on the same path."""
    leads, moved = [], []
    for a in (0.0, 0.5, 1.0):
        x_adv = attack(
            NETWORK,
            X,
            Y,
            cost=SQUARED,
            confidence=a,
            step_size=0.05,
            iterations=400,
            quantise="straight_through",
            cost_weight=0.0,
        )
        with torch.no_grad():
            leads.append(lead(NETWORK(x_adv), Y))
        assert (leads[-1] > a).all() and (leads[-1] < a + 1.5).all()
        moved.append((x_adv - X).flatten(1).norm(dim=1))
    assert all((later >= earlier).all() and later.mean() > earlier.mean() for earlier, later in pairwise(moved))


def leaves_what_is_wrong(attack) -> None:
    for a in (0.0, 50.0):
        assert torch.equal(attack(NETWORK, X, (Y + 1) % 5, cost=SQUARED, confidence=a, iterations=5), X)
    mixed = torch.where(torch.arange(24) % 2 == 0, Y, (Y + 1) % 5)
    moved = (attack(NETWORK, X, mixed, cost=SQUARED, confidence=50.0, iterations=5) != X).flatten(1).any(1)
    assert moved.tolist() == [i % 2 == 0 for i in range(24)]


def asks_for_the_reference_once(attack) -> None:
    """And about no image that is finished: every image goes forward and back once for each of its steps."""
    asked = []
    spy = replace(SQUARED, features=lambda x: asked.append(len(x)) or (x,))
    spied, count = photographs.count_looks(spy)
    with photographs.count_passes(NETWORK) as passes:
        attack(NETWORK, X, Y, cost=spied, step_size=0.02, iterations=200, cost_weight=0.0)
    steps = [len_of_path(image, label) for image, label in zip(X.split(1), Y.split(1), strict=True)]
    assert asked == [len(X)]
    assert passes.forwards == sum(steps) + len(X) and len(set(steps)) > 3
    assert count.backwards == sum(steps)


def len_of_path(image: Tensor, label: Tensor) -> int:
    """How many steps the plain loop takes."""
    count = photographs.count_passes(NETWORK)
    with count as passes:
        literal(NETWORK, image, label, cost=SQUARED, step_size=0.02, iterations=200, cost_weight=0.0)
    return passes.forwards - 1


CHECKS = [
    equals_the_loop,
    reaches_the_balance,
    rounds_as_it_says,
    stops_at_the_lead,
    leaves_what_is_wrong,
    asks_for_the_reference_once,
]


@pytest.mark.parametrize("check", CHECKS)
def test_perceptual(check):
    check(perceptual)


def no_op(model, x, y, **options):
    return x.clone()


def without_the_cost(model, x, y, **options):
    return perceptual(model, x, y, **options | {"cost_weight": 0.0})


def cost_added(model, x, y, *, cost, **options):
    turned = replace(cost, between=lambda f, x_adv: -cost.between(f, x_adv))
    return perceptual(model, x, y, cost=turned, **options)


def normalised(model, x, y, *, cost, cost_weight=1.0, **options):
    return pgd_l2(model, x, y, **options)


def deaf_to_confidence(model, x, y, *, confidence=0.0, **options):
    return perceptual(model, x, y, **options)


def never_stops(model, x, y, *, confidence=0.0, **options):
    return perceptual(model, x, y, confidence=1e9, **options)


def always(quantise):
    def mutant(model, x, y, **options):
        return perceptual(model, x, y, **options | {"quantise": quantise})

    mutant.__name__ = f"always_{quantise}"
    return mutant


def moves_the_wrong(model, x, y, **options):
    with torch.no_grad():
        return perceptual(model, x, model(x).argmax(1), **options)


def features_not_dropped(model, x, y, *, cost, **options):
    """The first image's features stand for all."""
    shared = replace(cost, between=lambda f, x_adv: cost.between((f[0][:1].expand_as(f[0]),), x_adv))
    return perceptual(model, x, y, cost=shared, **options)


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        *((no_op, check) for check in CHECKS),
        (without_the_cost, equals_the_loop),
        (without_the_cost, reaches_the_balance),
        (cost_added, equals_the_loop),
        (cost_added, reaches_the_balance),
        (normalised, equals_the_loop),
        (normalised, reaches_the_balance),
        (deaf_to_confidence, equals_the_loop),
        (deaf_to_confidence, stops_at_the_lead),
        (never_stops, stops_at_the_lead),
        (never_stops, asks_for_the_reference_once),
        (always("floor"), rounds_as_it_says),
        (always("round"), rounds_as_it_says),
        (always("straight_through"), rounds_as_it_says),
        (moves_the_wrong, leaves_what_is_wrong),
        (features_not_dropped, equals_the_loop),
        (literal, asks_for_the_reference_once),
    ],
)
def test_a_mutant_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


def test_without_a_cost_it_is_pgd_whose_step_is_not_normalised():
    """One step with lam = 0 is PGD's with eps ||g|| in the place of eps."""
    for image, label in zip(X[:6].split(1), Y[:6].split(1), strict=True):
        with torch.enable_grad():
            z = image.clone().requires_grad_()
            (g,) = torch.autograd.grad(F.cross_entropy(NETWORK(z), label), z)
        options = {"iterations": 1, "quantise": "straight_through"}
        ours = perceptual(NETWORK, image, label, cost=SQUARED, cost_weight=0.0, step_size=0.1, **options)
        theirs = pgd_l2(NETWORK, image, label, step_size=0.1 * g.norm().item(), **options)
        assert ((ours - theirs).abs() * 255).max() < 1.01 and (ours != theirs).float().mean() < 0.05
        assert not torch.equal(ours, image)


def test_one_step_knows_nothing_of_a_cost_that_is_flat_at_the_image():
    """SSIM's gradient vanishes at x_adv = x: the first step is the same for every lam, the second is not."""
    g = runtime.generator(3)
    model = Network().eval()
    model.first = torch.nn.Parameter(torch.randn(3 * 16 * 16, 16, generator=g) / 10)
    x = torch.randint(256, (4, 3, 16, 16), generator=g) / 255
    with torch.no_grad():
        y = model(x).argmax(1)
    options = {"cost": distance("SSIM"), "quantise": "straight_through", "confidence": 1e9}
    for N, same in ((1, True), (3, False)):
        few, many = (perceptual(model, x, y, cost_weight=lam, iterations=N, **options) for lam in (0.0, 100.0))
        assert torch.equal(few, many) == same
    assert distance("SSIM")(x, many).mean() < distance("SSIM")(x, few).mean()


@settings(max_examples=60, deadline=None)
@given(
    eps=st.floats(1e-3, 50),
    lam=st.floats(0, 1e4),
    a=st.floats(0, 5),
    N=st.integers(1, 4),
    quantise=st.sampled_from(["floor", "round", "straight_through"]),
)
def test_range_and_levels(eps, lam, a, N, quantise):
    x_adv = perceptual(
        NETWORK, X, Y, cost=SQUARED, step_size=eps, cost_weight=lam, confidence=a, iterations=N, quantise=quantise
    )
    assert (x_adv.shape, x_adv.dtype) == (X.shape, X.dtype)
    assert ((x_adv >= 0) & (x_adv <= 1)).all()
    torch.testing.assert_close(255 * x_adv, (255 * x_adv).round(), rtol=0, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(lam=st.floats(1, 1e6))
def test_a_large_lambda_keeps_the_image(lam):
    """With eps lam = 1/2 the balance g / lam is approached from below: nobody moves further than that."""
    found = perceptual(
        NETWORK,
        X,
        Y,
        cost=SQUARED,
        step_size=0.5 / lam,
        cost_weight=lam,
        confidence=1e9,
        iterations=8,
        quantise="straight_through",
    )
    steepest = (NETWORK.first.norm() * NETWORK.second.norm() * 2**0.5).item()
    assert (found - X).abs().max() <= steepest / lam + 0.51 / 255


def test_lead():
    logits = torch.tensor([[1.0, 5.0, 2.0], [1.0, 5.0, 2.0], [-3.0, -4.0, -4.0]])
    assert lead(logits, torch.tensor([1, 2, 0])).tolist() == [-3.0, 3.0, -1.0]


def test_the_caller_is_left_alone():
    model, x, y = copy.deepcopy(NETWORK), X.clone().requires_grad_(), Y.clone()
    x_adv = perceptual(model, x, y, cost=SQUARED, iterations=3)
    assert torch.equal(x, X) and x.grad is None and torch.equal(y, Y)
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not model.training
    assert not x_adv.requires_grad and x_adv.data_ptr() != x.data_ptr()
    with torch.no_grad():
        assert torch.equal(perceptual(model, X, Y, cost=SQUARED, iterations=3), x_adv)


def broken(features: tuple, x_adv: Tensor) -> Tensor:
    raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("between", "error", "says"),
    [
        (broken, RuntimeError, "out of order"),
        (
            lambda f, x_adv: (x_adv - f[0]).sum((1, 2, 3)).sqrt(),
            ValueError,
            "the gradient is not finite",
        ),
        (
            lambda f, x_adv: (f[0] - x_adv.detach()).sum((1, 2, 3)),
            ValueError,
            "the cost spy has no gradient with respect to",
        ),
    ],
)
def test_a_bad_cost_is_reported_and_leaves_no_trace(between, error, says):
    x = X.clone().requires_grad_()
    with pytest.raises(error, match=says):
        perceptual(NETWORK, x, Y, cost=Distance("spy", 1, lambda x: (x,), between))
    assert torch.equal(x, X) and x.grad is None and not NETWORK.training
    assert all(p.grad is None and p.requires_grad for p in NETWORK.parameters())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"x": X[0]}, "a single image needs"),
        ({"x": (255 * X).to(torch.uint8)}, "divide 8-bit pixels by 255"),
        ({"x": "photograph.png"}, "expected a torch.Tensor"),
        ({"y": Y + 5}, r"expected labels in \[0, 4\]"),
        ({"cost_weight": -1.0}, "cost_weight is -1.0, expected 0 or more"),
        ({"cost_weight": math.nan}, "cost_weight is nan, expected 0 or more"),
        ({"cost": "SSIM"}, "cost is 'SSIM', expected a Distance"),
        ({"step_size": 0.0}, "step_size is 0.0, expected a positive number"),
        ({"confidence": -1.0}, "confidence is -1.0, expected 0 or more"),
        ({"iterations": 2.5}, "iterations is 2.5, expected a whole number of 1 or more"),
        ({"quantise": None}, "quantise is None, expected one of"),
        ({"model": Network().train()}, "call model.eval"),
        ({"cost": distance("SSIM")}, "expected sides of 11 pixels or more for SSIM"),
    ],
)
def test_bad_input(wrong, says):
    given = {"model": NETWORK, "x": X, "y": Y, "cost": SQUARED} | wrong
    arguments = [given.pop(key) for key in ("model", "x", "y")]
    with pytest.raises(ValueError, match=says):
        perceptual(*arguments, **given)
