"""The spectral residual against the paper's lines in numpy, against what it must not see, and mutants of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import texture
from PIL import Image
from scipy import ndimage

from fairlib import runtime
from fairlib.perceptual import SALIENCY, spectral_residual

pytestmark = pytest.mark.usefixtures("no_trace")


X = texture(4, 64)


def in_numpy(x: torch.Tensor, logarithm=np.log, power=2, average=3) -> np.ndarray:
    """The lines that Hou and Zhang print, with other libraries, for images of 64 x 64 pixels."""
    grey = np.tensordot(x.numpy().astype(float), [0.2989, 0.587, 0.114], axes=(1, 0))
    spectrum = np.fft.fft2(grey)
    level = logarithm(np.abs(spectrum))
    residual = level - ndimage.uniform_filter(level, (0, average, average), mode="nearest")
    raw = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** power
    return ndimage.gaussian_filter(raw, (0, 2.5, 2.5), mode="mirror")


def test_it_is_the_papers():
    np.testing.assert_allclose(spectral_residual(X), in_numpy(X), rtol=2e-3)


@pytest.mark.parametrize("mutant", [{"logarithm": np.sqrt}, {"power": 1}, {"average": 5}], ids=str)
def test_a_mutant_is_found(mutant):
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(spectral_residual(X), in_numpy(X, **mutant), rtol=2e-3)


@pytest.mark.parametrize("size", [(192, 192), (100, 150)])
def test_a_larger_image_is_seen_from_afar(size):
    """It is made smaller with all its pixels, as Pillow does it, not by taking a few of them."""
    x = torch.rand(1, 3, *size, generator=runtime.generator(4))
    small = [np.asarray(Image.fromarray(c.numpy()).resize((64, 64), Image.Resampling.BILINEAR)) for c in x[0]]
    np.testing.assert_allclose(spectral_residual(x), in_numpy(torch.tensor(np.array([small]))), rtol=1e-2)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 0.9))
def test_brightness_is_no_surprise(factor):
    """A factor moves the log-amplitude by a constant, which the average takes away."""
    torch.testing.assert_close(spectral_residual(X), spectral_residual(factor * X), rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize("side", [64, 97, 299])
def test_the_eye_goes_to_the_odd_one_out(side):
    stripes = 0.5 + 0.4 * torch.sin(torch.arange(side) * 2 * torch.pi * 8 / side).expand(1, 3, side, side).clone()
    top, left, a = int(0.6 * side), int(0.25 * side), side // 8
    stripes[..., top : top + a, left : left + a] = stripes[..., top : top + a, left : left + a].mT
    found = spectral_residual(stripes)[0]
    row, column = divmod(int(found.argmax()), 64)
    assert abs(row / 64 - 0.6625) < 0.1 and abs(column / 64 - 0.3125) < 0.1


def test_the_distance_is_one_minus_the_correlation():
    other = texture(4, 64, seed=1)
    maps = [spectral_residual(x).flatten(1).numpy() for x in (X, other)]
    expected = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(*maps, strict=True)]
    np.testing.assert_allclose(SALIENCY(X, other), expected, atol=1e-5)
    np.testing.assert_allclose(SALIENCY(X, X), 0, atol=1e-6)


def test_more_noise_is_further_away():
    noise = 2 * torch.rand(X.shape, generator=runtime.generator(2)) - 1
    near, far = (SALIENCY(X, (X + size * noise).clamp(0, 1)) for size in (0.01, 0.1))
    assert (near > 0).all() and (near < far).all()


def test_it_has_a_gradient():
    x_adv = (0.9 * X[:1] + 0.05).double()
    noise = torch.rand(x_adv.shape, generator=runtime.generator(3)).double() - 0.5
    z = x_adv.float().requires_grad_()
    (gradient,) = torch.autograd.grad(SALIENCY(X[:1], z).sum(), z)
    h = 1e-3
    up, down = (SALIENCY(X[:1], (x_adv + s * h * noise).float()).item() for s in (1, -1))
    assert (gradient * noise).sum().item() == pytest.approx((up - down) / (2 * h), rel=0.05, abs=1e-5)


def test_flat_images_have_finite_maps():
    assert spectral_residual(torch.full((2, 3, 64, 64), 0.5)).isfinite().all()
    assert spectral_residual(torch.zeros(1, 3, 70, 70)).isfinite().all()


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        (X[:, :1], r"x has shape .* expected \(N, 3, 64, 64\)"),
        (255 * X, r"expected pixels in \[0, 1\]"),
        ((255 * X).byte(), "divide 8-bit pixels by 255"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, mend):
    with pytest.raises(ValueError, match=mend):
        spectral_residual(wrong)
