"""The one-step attack on SSIM and one step of PGD: against the solution of the dense system, formulas and the paper."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import dense_hessian, outer, skimage_ssim
from torch import Tensor

from fairlib import runtime
from fairlib.attacks import gradient_and_right, pgd_step, ssim_step, step_factor
from fairlib.attacks.ssim import inside, mirrored, whole

pytestmark = pytest.mark.usefixtures("no_trace")


# --- The length of the step. ------------------------------------------------------------------------------------------

PIXELS = st.lists(st.floats(0, 1, width=32), min_size=9, max_size=9)


@settings(max_examples=300, deadline=None)
@given(pixels=PIXELS, seed=st.integers(0, 999), eps=st.floats(1e-3, 4), scale=st.sampled_from([1e-30, 1e-3, 1.0]))
def test_step_factor(pixels, seed, eps, scale):
    """The clipped step is eps long, or, where no step is, everything is clipped that can be; by bisection, too."""
    x = torch.tensor(pixels, dtype=torch.float64).view(1, 1, 3, 3)
    d = scale * torch.randn(1, 1, 3, 3, generator=runtime.generator(seed), dtype=torch.float64)
    d[0, 0, 0, 0] = 0

    def length(t):
        return ((x + t * d).clamp(0, 1) - x).norm().item()

    t = step_factor(x, d, eps).item()
    assert math.isfinite(t) and t >= 0
    farthest = length(1e12 / scale)
    if farthest < eps:
        assert length(t) == pytest.approx(farthest, abs=1e-9)
        return
    assert length(t) == pytest.approx(eps, rel=1e-7)
    low, high = 0.0, 1e12 / scale
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if length(middle) < eps else (low, middle)
    assert length(high * 1.0001) == pytest.approx(length(t * 1.0001), rel=1e-3)


def test_step_factor_of_nothing():
    zero = torch.zeros(2, 1, 3, 3, dtype=torch.float64)
    assert step_factor(zero + 0.5, zero, 1.0).flatten().tolist() == [0.0, 0.0]


# --- The attacks. -----------------------------------------------------------------------------------------------------


class Linear(torch.nn.Module):
    """Logits W x on images (N, 1, 13, 14); two classes, so that the gradient's direction is W_other - W_y."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(2, 182, generator=runtime.generator(4)) / 5)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T


MODEL = Linear().eval()
X = 0.4 + 0.2 * torch.rand(12, 1, 13, 14, generator=runtime.generator(5))
with torch.no_grad():
    Y = MODEL(X).argmax(1)
UP = (MODEL.weight[1 - Y] - MODEL.weight[Y]).detach().view_as(X)


def test_pgd_step_is_the_normalised_gradient():
    """Where nothing is clipped: eps (W_other - W_y) / ||W_other - W_y||."""
    expected = X + 0.5 * UP / UP.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(pgd_step(MODEL, X, Y, length=0.5), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "windows"), [("inside", inside), ("mirrored", mirrored), ("whole", whole)])
def test_ssim_step_is_the_solution_scaled(name, windows):
    is_the_solution_scaled(ssim_step, name, windows)


def is_the_solution_scaled(attack, name, windows) -> None:
    found = attack(MODEL, X, Y, length=0.05, windows=name)
    for i in range(len(X)):
        d = torch.linalg.solve(dense_hessian(X[i, 0].double(), outer(windows(X))), UP[i].flatten().double())
        d = 0.05 * d / d.norm()
        torch.testing.assert_close(found[i].flatten().double(), X[i].flatten().double() + d, rtol=0, atol=1e-6)


def plain_gradient(model, x, y, *, length, windows):
    return pgd_step(model, x, y, length=length)


def other_windows(model, x, y, *, length, windows):
    return ssim_step(model, x, y, length=length, windows="inside" if windows == "mirrored" else "mirrored")


def downhill(model, x, y, *, length, windows):
    return 2 * x - ssim_step(model, x, y, length=length, windows=windows)


def twice_as_long(model, x, y, *, length, windows):
    return ssim_step(model, x, y, length=2 * length, windows=windows)


@pytest.mark.parametrize("mutant", [plain_gradient, other_windows, downhill, twice_as_long])
def test_a_mutant_of_the_step_is_found(mutant):
    for name, windows in (("inside", inside), ("mirrored", mirrored), ("whole", whole)):
        with pytest.raises(AssertionError):
            is_the_solution_scaled(mutant, name, windows)


def test_both_steps_are_equally_long_where_pixels_are_clipped():
    x = X * (torch.rand(X.shape, generator=runtime.generator(6)) > 0.5)
    with torch.no_grad():
        y = MODEL(x).argmax(1)
    for eps in (0.5, 3.0):
        for x_adv in (pgd_step(MODEL, x, y, length=eps), ssim_step(MODEL, x, y, length=eps)):
            assert x_adv.min() >= 0 and x_adv.max() <= 1 and x_adv.dtype == torch.float32
            assert (x_adv == 0).any()
            assert (x_adv - x).flatten(1).norm(dim=1).tolist() == pytest.approx([eps] * len(x), rel=1e-5)


def test_what_the_paper_shows(model, digits):
    """At equal L2: PGD turns more digits, the SSIM step keeps SSIM higher, on nearly every digit."""
    x, y = digits
    _, right = gradient_and_right(model, x, y)
    x, y = x[right], y[right]
    pair = {"pgd": pgd_step(model, x, y, length=2.0), "ssim": ssim_step(model, x, y, length=2.0)}
    with torch.no_grad():
        turned = {name: int((model(x_adv).argmax(1) != y).sum()) for name, x_adv in pair.items()}
    kept = {
        name: torch.tensor([skimage_ssim(a[0], b[0]) for a, b in zip(x, x_adv, strict=True)])
        for name, x_adv in pair.items()
    }
    assert turned["pgd"] > turned["ssim"] > 20
    assert (kept["ssim"] > kept["pgd"]).float().mean() > 0.95
    hidden = ssim_step(model, x, y, length=2.0, windows="inside")
    rim = torch.ones(28, 28, dtype=torch.bool)
    rim[5:-5, 5:-5] = False
    share = ((hidden - x).square() * rim).sum() / (hidden - x).square().sum()
    assert share > 0.9, "windows that fit hardly see the rim"


@pytest.mark.parametrize("attack", [pgd_step, ssim_step])
def test_what_is_wrong_stays_and_the_caller_is_left_alone(attack):
    model, x = copy.deepcopy(MODEL), X.clone().requires_grad_()
    mixed = torch.where(torch.arange(12) % 2 == 0, Y, 1 - Y)
    x_adv = attack(model, x, mixed, length=0.5)
    assert (x_adv != X).flatten(1).any(1).tolist() == [i % 2 == 0 for i in range(12)]
    assert torch.equal(attack(model, X, 1 - Y, length=0.5), X)
    assert torch.equal(x, X) and x.grad is None and not x_adv.requires_grad
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not model.training
    with torch.no_grad():
        assert torch.equal(attack(model, X, mixed, length=0.5), x_adv)


class NotANumber(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.nan


@pytest.mark.parametrize("attack", [pgd_step, ssim_step])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"x": X[0]}, "a single image needs"),
        ({"x": X.expand(-1, 3, -1, -1)}, "x has 3 channels, expected 1: this SSIM compares grey images"),
        ({"x": X[..., :10]}, "expected sides of 11 pixels or more for a window of SSIM"),
        ({"x": X * 3}, "expected pixels in"),
        ({"y": Y + 2}, r"expected labels in \[0, 1\]"),
        ({"length": 0.0}, "length is 0.0, expected a positive number"),
        ({"length": math.nan}, "length is nan, expected a positive number"),
        ({"model": Linear().train()}, "call model.eval"),
        ({"model": NotANumber().eval()}, "not finite"),
    ],
)
def test_bad_input(attack, wrong, says):
    given = {"model": MODEL, "x": X, "y": Y, "length": 1.0} | wrong
    arguments = [given.pop(key) for key in ("model", "x", "y")]
    with pytest.raises(ValueError, match=says):
        attack(*arguments, **given)


def test_windows_that_there_are_not():
    with pytest.raises(ValueError, match="windows is 'gaussian', expected one of: mirrored, inside, whole"):
        ssim_step(MODEL, X, Y, length=1.0, windows="gaussian")
