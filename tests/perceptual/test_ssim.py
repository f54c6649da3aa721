"""SSIM and MS-SSIM against scikit-image, pyiqa and adv-lib; grey and colour."""

import numpy as np
import pytest
import torch
from made_up import drawn
from PIL import Image
from skimage.metrics import structural_similarity

from fairlib.perceptual import distance, ssim

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_equals_scikit_images(channels):
    x, x_adv = drawn(3, 37, channels)
    x_adv[2] = 1 - x[2]  # turned round: most of the covariances are negative
    grey, grey_adv = (ssim._luminance(t)[:, 0].numpy() for t in (x, x_adv))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [1 - structural_similarity(a, b, **options) for a, b in zip(grey, grey_adv, strict=True)]
    assert expected[2] > 1
    np.testing.assert_allclose(distance("SSIM")(x, x_adv), expected, rtol=1e-6)


def test_luminance_is_that_of_bt_601():
    x, _ = drawn(1, 16)
    expected = np.array(Image.fromarray((255 * x[0]).byte().permute(1, 2, 0).numpy()).convert("L"))
    assert np.abs(255 * ssim._luminance(x)[0, 0].numpy() - expected).max() < 0.6  # Pillow rounds


@pytest.mark.parametrize("side", [161, 192])
def test_ms_ssim_equals_two_others(side):
    from pyiqa.archs.ssim_arch import MS_SSIM

    x, x_adv = drawn(3, side, 1)
    x_adv[2, :, :40] = 1 - x[2, :, :40]  # negative structure in a part of the image
    x_adv = (255 * x_adv).round() / 255
    found = distance("MS-SSIM")(x, x_adv)
    assert found.min() > 1e-3
    torch.testing.assert_close(found.double(), 1 - MS_SSIM()(x, x_adv), rtol=1e-5, atol=1e-6)
    if side == 192:  # the two differ in how they halve an odd side
        structural_similarity_of = pytest.importorskip("adv_lib.distances.structural_similarity")
        expected = 1 - structural_similarity_of.compute_ms_ssim(x[:2].double(), x_adv[:2].double())
        torch.testing.assert_close(found[:2].double(), expected, rtol=1e-5, atol=1e-6)


def test_grey_images_have_an_ssim_and_alpha_has_none():
    x, x_adv = drawn(1, 40, 1)
    assert distance("SSIM")(x, x_adv) > 0.01
    with pytest.raises(ValueError, match="x has 4 channels, expected 1 or 3"):
        distance("SSIM")(x.expand(-1, 4, -1, -1), x_adv.expand(-1, 4, -1, -1))
