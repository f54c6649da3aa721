"""Colours against Sharma, Wu and Dalal's pairs, scikit-image and pyiqa; gradients; bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import drawn
from skimage.color import deltaE_ciede2000, rgb2lab

from fairlib.perceptual import ciede2000, delta_e, distance, rgb_to_lab

pytestmark = pytest.mark.usefixtures("no_trace")
# Sharma, Wu and Dalal 2005, table 1: L, a, b of two colours and their difference.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425; 50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.02 50 0 -82.7485 3.4412; 50 -1.3802 -84.2814 50 0 -82.7485 1; 50 -1.1848 -84.8006 50 0 -82.7485 1
50 -0.9009 -85.5211 50 0 -82.7485 1; 50 0 0 50 -1 2 2.3669; 50 -1 2 50 0 0 2.3669
50 2.49 -0.001 50 -2.49 0.0009 7.1792; 50 2.49 -0.001 50 -2.49 0.001 7.1792; 50 2.49 -0.001 50 -2.49 0.0011 7.2195
50 2.49 -0.001 50 -2.49 0.0012 7.2195; 50 -0.001 2.49 50 0.0009 -2.49 4.8045; 50 -0.001 2.49 50 0.001 -2.49 4.8045
50 -0.001 2.49 50 0.0011 -2.49 4.7461; 50 2.5 0 50 0 -2.5 4.3065; 50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977; 50 2.5 0 56 -27 -3 31.903; 50 2.5 0 58 24 15 19.4535; 50 2.5 0 50 3.1736 0.5854 1
50 2.5 0 50 3.2972 0 1; 50 2.5 0 50 1.8634 0.5757 1; 50 2.5 0 50 3.2592 0.335 1
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644; 63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.263
61.2901 3.7196 -5.3901 61.4292 2.248 -4.962 1.8731; 35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.694 23.0331 14.973 -42.5619 2.0373; 36.4612 47.858 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.441 91.1528 -1.6435 0.0447 1.4441; 90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377; 2.0776 0.0795 -1.135 0.9033 -0.0636 -0.5514 0.9082
"""


def test_sharmas_pairs():
    pairs = torch.tensor([[float(v) for v in p.split()] for p in SHARMA.strip().replace("\n", ";").split(";")])
    assert len(pairs) == 34
    first, second = (pairs[:, k : k + 3].double().T[None, :, :, None] for k in (0, 3))
    first, second = ((t * 1e4).round() / 1e4 for t in (first, second))  # the decimals, in double precision
    for one, other in ((first, second), (second, first)):
        found = delta_e(one, other)[0, :, 0]
        assert (found - pairs[:, 6]).abs().max() < 0.6e-4


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1.0, 1e-2, 1e-5]))
def test_delta_e_equals_scikit_images(seed, size):
    rng = np.random.default_rng(seed)
    one, other = (rng.uniform((0, -100, -100), 100, (8, 8, 3)) for _ in range(2))
    other = one + size * (other - one)
    found = delta_e(*(torch.from_numpy(a).permute(2, 0, 1)[None] for a in (one, other)))
    np.testing.assert_allclose(found[0], deltaE_ciede2000(one, other), rtol=1e-9, atol=1e-12)


def test_ciede2000_of_pixels_equals_scikit_images():
    x, x_adv = drawn(2, 40)
    lab, lab_adv = (rgb2lab(t.permute(0, 2, 3, 1).double().numpy()) for t in (x, x_adv))
    np.testing.assert_allclose(rgb_to_lab(x).permute(0, 2, 3, 1), lab, atol=0.02)
    expected = deltaE_ciede2000(lab, lab_adv)
    assert expected.max() > 5
    np.testing.assert_allclose(ciede2000(x, x_adv), expected, atol=0.02)
    np.testing.assert_allclose(distance("CIEDE2000")(x, x_adv), np.sqrt(np.square(expected).sum((1, 2))), rtol=2e-3)


def test_gradient_of_ciede2000():
    def difference(x, x_adv):  # ciede2000, which takes float32 only
        return delta_e(rgb_to_lab(x), rgb_to_lab(x_adv))

    x, x_adv = (t.double() for t in drawn(1, 5))
    x[..., 0, 0], x[..., 1, 1], x[..., 2, 2] = 0.5, 0.0, 1.0  # greys among the colours
    assert torch.autograd.gradcheck(difference, (x, x_adv.requires_grad_()))
    for z in (x.clone(), torch.full_like(x, 0.3), torch.zeros_like(x), torch.ones_like(x)):
        (gradient,) = torch.autograd.grad(difference(x, z.requires_grad_()).sum(), z)
        assert gradient.isfinite().all()
        assert torch.equal(z, x) is not bool(gradient.any()), (
            "the gradient is 0 where the colours are equal, only there"
        )


@pytest.mark.parametrize("x", [torch.zeros(1, 1, 4, 4), torch.zeros(3, 4, 4), torch.zeros(1, 3, 4, 4).byte(), "x"])
def test_what_has_no_colours_is_refused(x):
    with pytest.raises(ValueError, match=r"x (is|has) .*, expected (3|one or more floating-point images)"):
        rgb_to_lab(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lab_is_pyiqas_to_the_last_bit(dtype):
    """The numbers that the book records were made with pyiqa's conversion."""
    from pyiqa.utils.color_util import rgb2xyz, xyz2lab

    greys = (torch.arange(256) / 255).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    x = torch.cat([drawn(2, 16)[1], greys])
    one, other = (x.to(dtype).requires_grad_() for _ in range(2))
    ours, theirs = rgb_to_lab(one), xyz2lab(rgb2xyz(other), illuminant="D65")
    assert torch.equal(ours, theirs)
    weights = torch.linspace(-1, 1, ours.numel(), dtype=dtype).view_as(ours)
    gradients = (torch.autograd.grad((weights * lab).sum(), z)[0] for lab, z in ((ours, one), (theirs, other)))
    assert torch.equal(*gradients)
