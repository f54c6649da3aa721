"""PGD (L2) against its formula, in closed form on a linear model; and mutants of it, which the same checks find."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlib import runtime
from fairlib.attacks import pgd_l2
from fairlib.attacks.gradients import normalised

pytestmark = pytest.mark.usefixtures("no_trace")


class Linear(torch.nn.Module):
    """Logits W x + b on images of twelve pixels; with two classes the gradient has one direction, W_other - W_y."""

    def __init__(self, classes: int, seed: int = 0) -> None:
        super().__init__()
        g = runtime.generator(seed)
        self.weight = torch.nn.Parameter(torch.randn(classes, 12, generator=g))
        self.bias = torch.nn.Parameter(torch.randn(classes, generator=g))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T + self.bias


def grid(n: int, seed: int, low: int = 0, high: int = 255) -> torch.Tensor:
    """Images (n, 3, 2, 2) whose pixels are whole levels."""
    return torch.randint(low, high + 1, (n, 3, 2, 2), generator=runtime.generator(seed)) / 255


TWO, FIVE = Linear(2).eval(), Linear(5).eval()
X = grid(40, 1, 60, 195)
with torch.no_grad():
    Y, Y5 = TWO(X).argmax(1), FIVE(X).argmax(1)


def follows_the_formula(attack) -> None:
    """x^n = x + n eps v with v = (W_other - W_y) / ||W_other - W_y||; the lead grows by eps ||W_other - W_y||."""
    apart = TWO.weight[1 - Y] - TWO.weight[Y]
    length = apart.norm(dim=1)
    with torch.no_grad():
        logits = TWO(X)
    behind = (logits[range(40), Y] - logits[range(40), 1 - Y]).detach()
    seen = set()
    for a, eps, N in ((0.0, 0.05, 40), (0.5, 0.05, 40), (0.0, 0.05, 9)):
        needed = ((behind + a) / (eps * length)).detach()
        steps = (needed.floor() + 1).clamp_max(N)
        expected = X + (steps * eps / length)[:, None, None, None] * apart.view_as(X)
        inside = ((expected >= 0) & (expected <= 1)).flatten(1).all(1)  # elsewhere clipping has its part in it
        clear = (needed - needed.round()).abs() > 0.15  # rounding to levels does not decide about a step
        found = attack(TWO, X, Y, step_size=eps, confidence=a, iterations=N, quantise="straight_through")
        use = inside & clear
        torch.testing.assert_close(found[use], expected[use].detach(), rtol=0, atol=0.51 / 255)
        seen |= {(a, N, bool(s == N)) for s in steps[use]}
    assert seen >= {(0.0, 40, False), (0.5, 40, False), (0.0, 9, True), (0.0, 9, False)}, "early stops and late ones"


def stops_at_the_lead(attack) -> None:
    """The first point whose lead exceeds a: one step fewer leaves it at a or below."""
    for a in (0.0, 0.7):
        path = [
            attack(TWO, X, Y, step_size=0.05, confidence=a, iterations=n, quantise="straight_through")
            for n in range(1, 60)
        ]
        with torch.no_grad():
            leads = torch.stack([X, *path])
            leads = torch.stack([TWO(p)[range(40), 1 - Y] - TWO(p)[range(40), Y] for p in leads])
        assert (leads[-1] > a).all()
        first = (leads > a).int().argmax(0)
        assert (first > 1).sum() > 30
        for i, k in enumerate(first.tolist()):
            assert all(torch.equal(path[k - 1][i], later[i]) for later in path[k:]), "and there it stays"
            assert k == 1 or not torch.equal(path[k - 2][i], path[k - 1][i])


def is_step_by_step_what_the_text_says(attack) -> None:
    """Five classes, where the direction turns: against the formula with the gradient W' (p - e_y) written out."""
    for quantise in ("floor", "round", "straight_through"):
        found = attack(FIVE, X, Y5, step_size=0.04, confidence=0.3, iterations=6, quantise=quantise)
        weight, bias = FIVE.weight.detach().double(), FIVE.bias.detach().double()
        for image, y, x_adv in zip(X.double(), Y5.tolist(), found, strict=True):
            point = shown = image.flatten()
            for _ in range(6):
                logits = weight @ shown + bias
                if max(v for i, v in enumerate(logits.tolist()) if i != y) - logits[y] > 0.3:
                    break
                p = (logits - logits.max()).exp() / (logits - logits.max()).exp().sum()
                p[y] -= 1
                g = weight.T @ p
                point = torch.tensor([min(max(v, 0), 1) for v in (point + 0.04 * g / math.sqrt(g @ g)).tolist()])
                point = point.double()
                levels = [math.floor(255 * v + (0 if quantise == "floor" else 0.5)) for v in point.tolist()]
                shown = torch.tensor(levels, dtype=torch.float64) / 255
                if quantise != "straight_through":
                    point = shown
            torch.testing.assert_close(x_adv.flatten().double(), shown, rtol=0, atol=1e-6)


def leaves_what_is_wrong(attack) -> None:
    wrong = 1 - Y
    for a in (0.0, 50.0):
        assert torch.equal(attack(TWO, X, wrong, confidence=a, iterations=5), X)
    mixed = torch.where(torch.arange(40) % 2 == 0, Y, wrong)
    found = attack(TWO, X, mixed, confidence=50.0, iterations=5)
    moved = (found != X).flatten(1).any(1)
    assert moved.tolist() == [i % 2 == 0 for i in range(40)]


CHECKS = [follows_the_formula, stops_at_the_lead, is_step_by_step_what_the_text_says, leaves_what_is_wrong]


@pytest.mark.parametrize("check", CHECKS)
def test_pgd_l2(check):
    check(pgd_l2)


def no_op(model, x, y, **options):
    return x.clone()


def downhill(model, x, y, **options):
    return pgd_l2(model, x, (y + 1) % len(model.bias), **options)


def one_step_fewer(model, x, y, *, iterations=100, **options):
    return pgd_l2(model, x, y, iterations=iterations - 1, **options) if iterations > 1 else x.clone()


def never_stops(model, x, y, *, confidence=0.0, **options):
    return pgd_l2(model, x, y, confidence=1e9, **options)


def deaf_to_confidence(model, x, y, *, confidence=0.0, **options):
    return pgd_l2(model, x, y, **options)


def twice_as_long(model, x, y, *, step_size=0.1, **options):
    return pgd_l2(model, x, y, step_size=2 * step_size, **options)


def always_floor(model, x, y, *, quantise="floor", **options):
    return pgd_l2(model, x, y, **options)


def moves_the_wrong(model, x, y, **options):
    return (pgd_l2(model, x, y, **options) + 1 / 255).clamp(0, 1)


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        (no_op, follows_the_formula),
        (no_op, is_step_by_step_what_the_text_says),
        (no_op, leaves_what_is_wrong),
        (downhill, follows_the_formula),
        (downhill, leaves_what_is_wrong),
        (one_step_fewer, follows_the_formula),
        (one_step_fewer, is_step_by_step_what_the_text_says),
        (never_stops, follows_the_formula),
        (never_stops, stops_at_the_lead),
        (deaf_to_confidence, stops_at_the_lead),
        (twice_as_long, follows_the_formula),
        (twice_as_long, is_step_by_step_what_the_text_says),
        (always_floor, is_step_by_step_what_the_text_says),
        (moves_the_wrong, leaves_what_is_wrong),
    ],
)
def test_a_mutant_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


@settings(max_examples=60, deadline=None)
@given(
    eps=st.floats(1e-3, 5),
    a=st.floats(0, 20),
    N=st.integers(1, 5),
    quantise=st.sampled_from(["floor", "round", "straight_through"]),
    seed=st.integers(0, 10_000),
)
def test_range_and_levels(eps, a, N, quantise, seed):
    x = grid(8, seed)
    y = torch.arange(8) % 5
    x_adv = pgd_l2(FIVE, x, y, step_size=eps, confidence=a, iterations=N, quantise=quantise)
    assert (x_adv.shape, x_adv.dtype) == (x.shape, x.dtype)
    assert ((x_adv >= 0) & (x_adv <= 1)).all()
    torch.testing.assert_close(255 * x_adv, (255 * x_adv).round(), rtol=0, atol=1e-4)
    alone = [
        pgd_l2(FIVE, *pair, step_size=eps, confidence=a, iterations=N, quantise=quantise)
        for pair in zip(x.split(1), y.split(1), strict=True)
    ]
    assert ((x_adv - torch.cat(alone)).abs() * 255 < 1.01).all(), "no image depends on another, but for a last bit"


def test_floor_lowers_and_round_holds_still():
    """A step of a tenth of a level: floor takes each value with a negative gradient one level down; no other moves."""
    x, apart = X[:1], (TWO.weight[1 - Y[0]] - TWO.weight[Y[0]]).detach().view_as(X[:1])
    eps = (0.1 / 255 / apart.abs().amax() * apart.norm()).item()
    arguments = (TWO, x, Y[:1])
    down = pgd_l2(*arguments, step_size=eps, iterations=1, quantise="floor")
    torch.testing.assert_close(255 * (down - x), -(apart < 0).float(), rtol=0, atol=1e-3)
    assert torch.equal(pgd_l2(*arguments, step_size=eps, confidence=1e9, iterations=50, quantise="round"), x)
    for N, level in ((4, 0), (6, 1), (14, 1), (16, 2)):  # the largest entry has moved N / 10 levels
        found = pgd_l2(*arguments, step_size=eps, confidence=1e9, iterations=N, quantise="straight_through")
        assert round(255 * (found - x).abs().max().item(), 3) == level


def test_normalised():
    g = torch.randn(3, 2, 4, 4, generator=runtime.generator(2))
    g[1] *= 1e-30
    g[2] = 0
    found = normalised(g)
    expected = [1.0, 1.0, 0.0]
    assert found.flatten(1).norm(dim=1).tolist() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(found[0], g[0] / g[0].norm())
    assert found.dtype == torch.float32


def test_the_caller_is_left_alone():
    model, x, y = copy.deepcopy(FIVE), X.clone().requires_grad_(), Y5.clone()
    x_adv = pgd_l2(model, x, y, iterations=3)
    assert torch.equal(x, X) and x.grad is None and torch.equal(y, Y5)
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not model.training
    assert not x_adv.requires_grad and x_adv.data_ptr() != x.data_ptr()
    with torch.no_grad():
        assert torch.equal(pgd_l2(model, X, Y5, iterations=3), x_adv)


class Late(Linear):
    """Its third forward pass gives something that is no number, or an error."""

    def __init__(self, what) -> None:
        super().__init__(5)
        self.what, self.passes = what, 0

    def forward(self, x):
        self.passes += 1
        if self.passes == 3 and self.what == "nan":
            return super().forward(x) * torch.nan
        if self.passes == 3:
            raise RuntimeError("out of order")
        return super().forward(x)


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [("nan", ValueError, "the gradient is not finite"), ("error", RuntimeError, "out of order")],
)
def test_what_diverges_is_reported_and_leaves_no_trace(what, error, says):
    model, x = Late(what).eval(), X.clone().requires_grad_()
    with pytest.raises(error, match=says):
        pgd_l2(model, x, Y5, confidence=1e9)
    assert torch.equal(x, X) and x.grad is None and not model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"x": X[0]}, "a single image needs"),
        ({"x": (255 * X).to(torch.uint8)}, "divide 8-bit pixels by 255"),
        ({"x": X * 2}, "expected pixels in"),
        ({"y": Y5 + 5}, r"expected labels in \[0, 4\]"),
        ({"y": Y5[:3]}, "one label per image"),
        ({"step_size": 0.0}, "step_size is 0.0, expected a positive number"),
        ({"step_size": math.nan}, "step_size is nan, expected a positive number"),
        ({"confidence": -1.0}, "confidence is -1.0, expected 0 or more"),
        ({"confidence": math.nan}, "confidence is nan, expected 0 or more"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"quantise": "truncate"}, "quantise is 'truncate', expected one of: floor, round, straight_through"),
        ({"model": Linear(5).train()}, "call model.eval"),
    ],
)
def test_bad_input(wrong, says):
    given = {"model": FIVE, "x": X, "y": Y5} | wrong
    arguments = [given.pop(key) for key in ("model", "x", "y")]
    with pytest.raises(ValueError, match=says):
        pgd_l2(*arguments, **given)
