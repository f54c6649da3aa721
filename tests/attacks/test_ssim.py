"""The one-step SSIM attack against dense matrices, finite differences of scikit-image's SSIM, and closed forms."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch import Tensor

from fairlib import runtime
from fairlib.attacks import pgd_step, ssim_step
from fairlib.attacks.ssim import (
    C1,
    C2,
    Windows,
    conjugate_gradients,
    direction,
    hessian,
    inside,
    mirrored,
    reach,
    slope,
    whole,
    whole_direction,
)

pytestmark = pytest.mark.usefixtures("no_trace")

SMALL = torch.rand(3, 1, 13, 14, generator=runtime.generator(0), dtype=torch.float64)
SMALL[1] *= torch.rand(13, 14, generator=runtime.generator(1)) > 0.6  # black ground, as a digit has
SMALL[2] = 0.5
G = torch.randn(3, 1, 13, 14, generator=runtime.generator(2), dtype=torch.float64)


def outer(windows: Windows) -> list[Tensor]:
    """The windows one by one, as images."""
    return [torch.outer(r, c) for r in windows.rows for c in windows.columns]


def dense(x: Tensor, windows: list[Tensor]) -> Tensor:
    """H of one image (H, W), window by window, as the sum that defines it: (P, P)."""
    found = torch.zeros(x.numel(), x.numel(), dtype=torch.float64)
    for window in windows:
        w, v = window.flatten(), x.flatten()
        m = w @ v
        variance = w @ (v - m) ** 2
        found += torch.outer(w, w) / (2 * m**2 + C1)
        found += (torch.diag(w) - torch.outer(w, w)) / (2 * variance + C2)
    return 2 / len(windows) * found


def skimage_ssim(x: Tensor, x_adv: Tensor) -> float:
    """SSIM with Wang et al.'s windows and constants, over those that fit."""
    return structural_similarity(
        x.numpy(), x_adv.numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )


# --- Windows and Hessian. ---------------------------------------------------------------------------------------------


def test_windows_are_those_that_ssim_uses():
    """Of SSIM itself: by its dent at a pixel, all else equal, scikit-image tells how much weight that pixel has."""
    flat = torch.full((14, 15), 0.4, dtype=torch.float64)
    windows = outer(inside(flat))
    assert len(windows) == 4 * 5
    for place in ((0, 0), (0, 7), (6, 7), (13, 2)):
        x = flat.clone()
        x[place] += 0.05
        terms = []
        for w in windows:
            m, v = (w * x).sum(), (w * x**2).sum() - (w * x).sum() ** 2
            terms.append((2 * 0.4 * m + C1) / (0.4**2 + m**2 + C1) * C2 / (v + C2))
        assert skimage_ssim(flat, x) == pytest.approx(torch.stack(terms).mean().item(), abs=1e-12)


@pytest.mark.parametrize("windows", [inside, mirrored, whole])
def test_windows_weigh_one_and_means_is_what_they_are(windows):
    ours = windows(SMALL)
    each = outer(ours)
    means = torch.stack([(w * SMALL).sum((1, 2, 3)) for w in each], 1)
    torch.testing.assert_close(ours.means(SMALL).flatten(1), means)
    torch.testing.assert_close(torch.stack(each).sum((1, 2)), torch.ones(len(each), dtype=torch.float64))
    u = torch.randn(3, 1, len(ours.rows), len(ours.columns), generator=runtime.generator(3), dtype=torch.float64)
    torch.testing.assert_close((ours.means(SMALL) * u).sum(), (SMALL * ours.spread(u)).sum())


def test_mirrored_windows_weigh_all_pixels_alike():
    each = torch.stack(outer(mirrored(SMALL)))
    assert len(each) == 13 * 14
    torch.testing.assert_close(each.sum(0), torch.ones(13, 14, dtype=torch.float64))
    centre = each[5 * 14 + 5]  # the first that touches no side
    torch.testing.assert_close(centre[:11, :11], outer(inside(SMALL[..., :11, :11]))[0])
    padded = torch.nn.functional.pad(SMALL, (1, 1, 1, 1), mode="replicate")  # one step beyond, a mirror repeats the rim
    inner = mirrored(SMALL).means(SMALL)[0, 0, 4, 6]
    torch.testing.assert_close(inner, inside(padded).means(padded)[0, 0, 0, 2])


def equals_the_sum(hessian) -> None:
    for windows in (inside, mirrored, whole):
        ours = windows(SMALL)
        apply, diagonal = hessian(SMALL, ours)
        for i, image in enumerate(SMALL[:, 0]):
            expected = dense(image, outer(ours))
            torch.testing.assert_close(apply(G)[i].flatten(), expected @ G[i].flatten())
            torch.testing.assert_close(diagonal[i].flatten(), expected.diagonal())


def is_the_second_derivative(hessian) -> None:
    """v'Hv and u'Hv by central differences of scikit-image's 1 - SSIM, along random lines."""
    apply, _ = hessian(SMALL, inside(SMALL))
    for i, image in enumerate(SMALL[:, 0]):
        for seed in range(3):
            u, v = torch.randn(2, 13, 14, generator=runtime.generator(seed), dtype=torch.float64)
            h = 1e-4

            def cost(d, image=image):
                return 1 - skimage_ssim(image, image + d)

            mixed = (cost(h * (u + v)) - cost(h * (u - v)) - cost(h * (v - u)) + cost(-h * (u + v))) / (4 * h**2)
            full = torch.zeros_like(SMALL)
            full[i, 0] = v
            assert mixed == pytest.approx((u * apply(full)[i, 0]).sum().item(), rel=1e-3, abs=1e-2)
            slope = (cost(h * v) - cost(-h * v)) / (2 * h)
            bend = (cost(h * v) + cost(-h * v)) / h**2
            assert bend == pytest.approx((v * apply(full)[i, 0]).sum().item(), rel=1e-3)
            assert abs(slope) < 1e-3 * bend, "at the image itself the first derivative of 1 - SSIM vanishes"


@pytest.mark.parametrize("check", [equals_the_sum, is_the_second_derivative])
def test_hessian(check):
    check(hessian)


def off_by(**changes):
    """`hessian` with other constants."""

    def mutant(x, windows):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(f"fairlib.attacks.ssim.{name}", value)
            return hessian(x, windows)

    mutant.__name__ = f"off_by_{changes}"
    return mutant


def half(x, windows):
    apply, diagonal = hessian(x, windows)
    return lambda v: apply(v) / 2, diagonal / 2


def only_structure(x, windows):
    """Without the luminance term."""
    m = windows.means(x)
    beta = 1 / (2 * (windows.means(x**2) - m**2) + C2)
    factor, own = 2 / beta[0].numel(), windows.spread(beta)
    return lambda v: factor * (own * v - windows.spread(beta * windows.means(v))), factor * own


def blurred_twice(x, windows):
    apply, diagonal = hessian(x, windows)
    return lambda v: apply(windows.spread(windows.means(v))), diagonal


@pytest.mark.parametrize("check", [equals_the_sum, is_the_second_derivative])
@pytest.mark.parametrize("mutant", [off_by(C1=C2), off_by(C2=C1), half, only_structure, blurred_twice])
def test_a_mutant_of_the_hessian_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


# --- H^-1 g. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows", [inside, mirrored, whole])
def test_conjugate_gradients_solve_what_linalg_solves(windows):
    found = direction(SMALL, G, windows)
    for i, image in enumerate(SMALL[:, 0]):
        expected = torch.linalg.solve(dense(image, outer(windows(SMALL))), G[i].flatten())
        assert (found[i].flatten() - expected).norm() < 1e-5 * expected.norm()
    tiny = direction(SMALL, G * 1e-40, windows)
    torch.testing.assert_close(tiny * 1e40, found, rtol=1e-6, atol=0)
    alone = torch.cat([direction(x, g, windows) for x, g in zip(SMALL.split(1), G.split(1), strict=True)])
    torch.testing.assert_close(alone, found, rtol=1e-5, atol=1e-9)


def test_one_window_has_a_closed_form():
    closed = whole_direction(SMALL, G)
    torch.testing.assert_close(closed, direction(SMALL, G, whole), rtol=1e-6, atol=1e-9)
    for i, image in enumerate(SMALL[:, 0]):
        flat = torch.full_like(image, 1 / image.numel())
        expected = torch.linalg.solve(dense(image, [flat]), G[i].flatten())
        torch.testing.assert_close(closed[i].flatten(), expected)


def test_it_is_the_best_step_of_its_cost():
    """g'd - lam/2 d'Hd: no step that is tried beats H^-1 g / lam, and its value is g'H^-1 g / (2 lam)."""
    apply, _ = hessian(SMALL, mirrored(SMALL))
    lam = 3.0

    def value(d):
        return (G * d - lam / 2 * d * apply(d)).sum((1, 2, 3))

    best = direction(SMALL, G) / lam
    torch.testing.assert_close(value(best), (G * best).sum((1, 2, 3)) / 2, rtol=1e-6, atol=0)
    size = best.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    for seed in range(20):
        noise = torch.randn(best.shape, generator=runtime.generator(seed), dtype=torch.float64)
        assert (value(best + 1e-3 * size * noise) < value(best)).all()
    assert (value(G / G.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * size) < value(best)).all()


def test_a_system_that_is_not_definite_is_refused():
    with pytest.raises(ValueError, match="do not converge"):
        conjugate_gradients(torch.zeros_like, torch.ones_like(G), G)


def test_nothing_to_solve():
    zero = torch.zeros_like(G)
    assert torch.equal(direction(SMALL, zero), zero)
    assert direction(SMALL[:0], G[:0]).shape == (0, 1, 13, 14)


# --- The length of the step. ------------------------------------------------------------------------------------------

PIXELS = st.lists(st.floats(0, 1, width=32), min_size=9, max_size=9)


@settings(max_examples=300, deadline=None)
@given(pixels=PIXELS, seed=st.integers(0, 999), eps=st.floats(1e-3, 4), scale=st.sampled_from([1e-30, 1e-3, 1.0]))
def test_reach(pixels, seed, eps, scale):
    """The clipped step is eps long, or, where no step is, everything is clipped that can be; by bisection, too."""
    x = torch.tensor(pixels, dtype=torch.float64).view(1, 1, 3, 3)
    d = scale * torch.randn(1, 1, 3, 3, generator=runtime.generator(seed), dtype=torch.float64)
    d[0, 0, 0, 0] = 0

    def length(t):
        return ((x + t * d).clamp(0, 1) - x).norm().item()

    t = reach(x, d, eps).item()
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


def test_reach_of_nothing():
    zero = torch.zeros(2, 1, 3, 3, dtype=torch.float64)
    assert reach(zero + 0.5, zero, 1.0).flatten().tolist() == [0.0, 0.0]


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
    torch.testing.assert_close(pgd_step(MODEL, X, Y, eps=0.5), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "windows"), [("inside", inside), ("mirrored", mirrored), ("whole", whole)])
def test_ssim_step_is_the_solution_scaled(name, windows):
    is_the_solution_scaled(ssim_step, name, windows)


def is_the_solution_scaled(attack, name, windows) -> None:
    found = attack(MODEL, X, Y, eps=0.05, windows=name)
    for i in range(len(X)):
        d = torch.linalg.solve(dense(X[i, 0].double(), outer(windows(X))), UP[i].flatten().double())
        d = 0.05 * d / d.norm()
        torch.testing.assert_close(found[i].flatten().double(), X[i].flatten().double() + d, rtol=0, atol=1e-6)


def plain_gradient(model, x, y, *, eps, windows):
    return pgd_step(model, x, y, eps=eps)


def other_windows(model, x, y, *, eps, windows):
    return ssim_step(model, x, y, eps=eps, windows="inside" if windows == "mirrored" else "mirrored")


def downhill(model, x, y, *, eps, windows):
    return 2 * x - ssim_step(model, x, y, eps=eps, windows=windows)


def twice_as_long(model, x, y, *, eps, windows):
    return ssim_step(model, x, y, eps=2 * eps, windows=windows)


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
        for x_adv in (pgd_step(MODEL, x, y, eps=eps), ssim_step(MODEL, x, y, eps=eps)):
            assert x_adv.min() >= 0 and x_adv.max() <= 1 and x_adv.dtype == torch.float32
            assert (x_adv == 0).any()
            assert (x_adv - x).flatten(1).norm(dim=1).tolist() == pytest.approx([eps] * len(x), rel=1e-5)


def test_what_the_paper_shows(model, digits):
    """At equal L2: PGD turns more digits, the SSIM step keeps SSIM higher, on nearly every digit."""
    x, y = digits
    _, right = slope(model, x, y)
    x, y = x[right], y[right]
    pair = {"pgd": pgd_step(model, x, y, eps=2.0), "ssim": ssim_step(model, x, y, eps=2.0)}
    with torch.no_grad():
        turned = {name: int((model(x_adv).argmax(1) != y).sum()) for name, x_adv in pair.items()}
    kept = {
        name: torch.tensor([skimage_ssim(a[0], b[0]) for a, b in zip(x, x_adv, strict=True)])
        for name, x_adv in pair.items()
    }
    assert turned["pgd"] > turned["ssim"] > 20
    assert (kept["ssim"] > kept["pgd"]).float().mean() > 0.95
    hidden = ssim_step(model, x, y, eps=2.0, windows="inside")
    rim = torch.ones(28, 28, dtype=torch.bool)
    rim[5:-5, 5:-5] = False
    share = ((hidden - x).square() * rim).sum() / (hidden - x).square().sum()
    assert share > 0.9, "windows that fit hardly see the rim"


@pytest.mark.parametrize("attack", [pgd_step, ssim_step])
def test_what_is_wrong_stays_and_the_caller_is_left_alone(attack):
    model, x = copy.deepcopy(MODEL), X.clone().requires_grad_()
    mixed = torch.where(torch.arange(12) % 2 == 0, Y, 1 - Y)
    x_adv = attack(model, x, mixed, eps=0.5)
    assert (x_adv != X).flatten(1).any(1).tolist() == [i % 2 == 0 for i in range(12)]
    assert torch.equal(attack(model, X, 1 - Y, eps=0.5), X)
    assert torch.equal(x, X) and x.grad is None and not x_adv.requires_grad
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not model.training
    with torch.no_grad():
        assert torch.equal(attack(model, X, mixed, eps=0.5), x_adv)


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
        ({"eps": 0.0}, "eps is 0.0, expected a positive number"),
        ({"eps": math.nan}, "eps is nan, expected a positive number"),
        ({"model": Linear().train()}, "call model.eval"),
        ({"model": NotANumber().eval()}, "not finite"),
    ],
)
def test_bad_input(attack, wrong, says):
    given = {"model": MODEL, "x": X, "y": Y, "eps": 1.0} | wrong
    arguments = [given.pop(key) for key in ("model", "x", "y")]
    with pytest.raises(ValueError, match=says):
        attack(*arguments, **given)


def test_windows_that_there_are_not():
    with pytest.raises(ValueError, match="windows is 'gaussian', expected one of: mirrored, inside, whole"):
        ssim_step(MODEL, X, Y, eps=1.0, windows="gaussian")
