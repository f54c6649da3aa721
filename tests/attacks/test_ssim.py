"""The one-step SSIM attack against dense matrices, finite differences of scikit-image's SSIM, and closed forms."""

import pytest
import torch
from oracles import dense_hessian, outer, skimage_ssim

from fairlib import runtime
from fairlib.attacks.ssim import (
    C1,
    C2,
    conjugate_gradients,
    direction,
    hessian,
    inside,
    mirrored,
    whole,
    whole_direction,
)

pytestmark = pytest.mark.usefixtures("no_trace")

SMALL = torch.rand(3, 1, 13, 14, generator=runtime.generator(0), dtype=torch.float64)
SMALL[1] *= torch.rand(13, 14, generator=runtime.generator(1)) > 0.6  # black ground, as a digit has
SMALL[2] = 0.5
G = torch.randn(3, 1, 13, 14, generator=runtime.generator(2), dtype=torch.float64)


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
            expected = dense_hessian(image, outer(ours))
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
        expected = torch.linalg.solve(dense_hessian(image, outer(windows(SMALL))), G[i].flatten())
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
        expected = torch.linalg.solve(dense_hessian(image, [flat]), G[i].flatten())
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
