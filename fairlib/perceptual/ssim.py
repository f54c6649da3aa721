"""Structural similarity, SSIM and MS-SSIM, as distances between images: windows whose statistics differ look different.

Each is a pair of functions: `..._features` looks at the reference once, `..._distance` compares other images with it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib.perceptual.powers import power

C1, C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 with K1 = 0.01, K2 = 0.03 and pixels up to L = 1
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM, from the finest scale to the coarsest
SIZE, SIGMA = 11, 1.5  # of the Gaussian window, in pixels
SMALLEST = SIZE  # side of an image that holds a window
MS_SMALLEST = 161  # halved four times, rounded up, it still does


def ssim_features(x: Tensor) -> tuple[Tensor, ...]:
    """Luminance of the reference images, with its mean and variance in each window.

    Parameters
    ----------
    x : Tensor
        Images (N, 1 or 3, H, W) with values in [0, 1] and sides of `SMALLEST` pixels or more.

    Returns
    -------
    tuple of Tensor
        Luminance (N, 1, H, W), mean and variance (N, 1, H - 10, W - 10), float64.
    """
    return _moments(_luminance(x))


def ssim_distance(features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
    """1 - SSIM of each image with its reference.

    Parameters
    ----------
    features : tuple of Tensor
        The references' `ssim_features`.
    x_adv : Tensor
        Images of the references' shape, with values in [0, 1].

    Returns
    -------
    Tensor
        (N,) in [0, 2], with the dtype of `x_adv`; 0 for equal images.

    Notes
    -----
    The mean over all windows that fit into the image of

        SSIM(x, y) = (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 + C2)),

    where mu, sigma^2 and sigma_xy are means, variances and covariance under the window's Gaussian weights.

    Deviations from the paper:

    - Of colour images the luminance of BT.601 is compared, 0.299 R + 0.587 G + 0.114 B; the paper has grey ones.
    - Everything is computed in float64, whatever comes in: the variances are differences of nearly equal numbers.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli 2004, equations 13 to 17.
    """
    luminance, structure = _similarities(features, _moments(_luminance(x_adv)))
    return (1 - (luminance * structure).mean((1, 2, 3))).to(x_adv)


def ms_ssim_features(x: Tensor) -> tuple[Tensor, ...]:
    """Luminance, means and variances of the reference images at each of five scales, one scale after the other.

    Parameters
    ----------
    x : Tensor
        Images (N, 1 or 3, H, W) with values in [0, 1] and sides of `MS_SMALLEST` pixels or more.

    Returns
    -------
    tuple of Tensor
        What `ssim_features` returns, five times: of the image, then of the image halved once, twice and so on.
    """
    scale = _luminance(x)
    features = _moments(scale)
    for _ in EXPONENTS[1:]:
        scale = F.avg_pool2d(scale, 2, padding=[side % 2 for side in scale.shape[2:]])
        features += _moments(scale)
    return features


def ms_ssim_distance(features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
    """1 - MS-SSIM of each image with its reference.

    Parameters
    ----------
    features : tuple of Tensor
        The references' `ms_ssim_features`.
    x_adv : Tensor
        Images of the references' shape, with values in [0, 1].

    Returns
    -------
    Tensor
        (N,) in [0, 1], with the dtype of `x_adv`; 0 for equal images.

    Notes
    -----
    With the two factors l and cs of SSIM, each a mean over the windows of a scale, and five scales

        MS-SSIM(x, y) = (l_5 cs_5)^b_5  prod_(j < 5) cs_j^b_j,

    where the mean of scale 5 is that of the product, and b are the `EXPONENTS`.

    Deviations from the paper:

    - Before they are halved, odd sides are padded with zeros, as in pyiqa; the paper has even ones.
    - A window of negative structure counts as one of none, as in pyiqa: such a number has no power b_j.
    - Luminance and float64, as in `ssim_distance`.

    References
    ----------
    Wang, Simoncelli and Bovik 2003, equation 7 and section 3.2.
    """
    other = ms_ssim_features(x_adv)
    coarsest = len(EXPONENTS) - 1
    similarity = 1
    for j, exponent in enumerate(EXPONENTS):
        luminance, structure = _similarities(features[3 * j : 3 * j + 3], other[3 * j : 3 * j + 3])
        structure = structure.relu()
        mean = (luminance * structure if j == coarsest else structure).mean((1, 2, 3))
        similarity = similarity * power(mean, exponent)
    return (1 - similarity).to(x_adv)


def _luminance(x: Tensor) -> Tensor:
    """BT.601's luminance of images (N, 1 or 3, H, W): (N, 1, H, W) float64."""
    x = x.double()
    return x if x.shape[1] == 1 else x[:, :1] * 0.299 + x[:, 1:2] * 0.587 + x[:, 2:] * 0.114


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x (N, 1, H, W), and its mean and its variance in each window."""
    mean = _means(x)
    return x, mean, _means(x.square()) - mean.square()


def _similarities(reference: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """The factors of luminance and of structure (with contrast) in each window, from the moments of two images."""
    x, mean_x, variance_x = reference
    y, mean_y, variance_y = other
    covariance = _means(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return luminance, structure


def _means(x: Tensor) -> Tensor:
    """Weighted means of x (N, 1, H, W) in each window, rows first: the Gaussian is a product of two."""
    weights = _WEIGHTS.to(x.device)
    return F.conv2d(F.conv2d(x, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))


def _gaussian() -> Tensor:
    """The window's weights along one axis, (SIZE,) float64, with sum 1."""
    offsets = torch.arange(SIZE, dtype=torch.float64) - SIZE // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    return weights / weights.sum()


_WEIGHTS = _gaussian()
