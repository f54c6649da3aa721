"""Colours as an observer tells them apart: sRGB to CIELAB, and the CIEDE2000 difference of two colours."""

import math

import torch
from torch import Tensor

from fairlib import checks
from fairlib.perceptual.powers import root

# Red, green and blue of sRGB (IEC 61966-2-1) as X, Y and Z; the white point of illuminant D65, 2 degree observer.
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)


def ciede2000(x: Tensor, x_adv: Tensor) -> Tensor:
    """Colour difference of each pixel of two batches of images.

    Parameters
    ----------
    x, x_adv : Tensor
        RGB images (N, 3, H, W) float32 in [0, 1], of one shape.

    Returns
    -------
    Tensor
        (N, H, W), 0 or more; about 1 is a just noticeable difference. Differentiable in both images; where the colours
        are equal the gradient is 0.

    Raises
    ------
    ValueError
        For images of another shape, dtype or range.

    Notes
    -----
    `delta_e` of `rgb_to_lab`.
    """
    checks.pair(x, x_adv)
    return delta_e(rgb_to_lab(x), rgb_to_lab(x_adv))


def lab_features(x: Tensor) -> tuple[Tensor]:
    """The reference images (N, 3, H, W) in CIELAB, as a tuple of one tensor."""
    return (rgb_to_lab(x),)


def colour_distance(features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
    """The L2 norm over an image's pixels of their CIEDE2000 differences, which PerC-AL minimises.

    Parameters
    ----------
    features : tuple of Tensor
        The references' `lab_features`.
    x_adv : Tensor
        RGB images (N, 3, H, W) in [0, 1].

    Returns
    -------
    Tensor
        (N,), 0 or more.

    References
    ----------
    Zhao, Liu and Larson 2020, section 4.
    """
    (lab,) = features
    return torch.linalg.vector_norm(delta_e(lab, rgb_to_lab(x_adv)), dim=(1, 2))


def rgb_to_lab(x: Tensor) -> Tensor:
    """sRGB pixels as CIELAB under illuminant D65.

    Parameters
    ----------
    x : Tensor
        RGB images (N, 3, H, W) in [0, 1], in any floating-point precision. The range is not looked at.

    Returns
    -------
    Tensor
        (N, 3, H, W), of the dtype of `x`: L* in [0, 100], a* and b*.

    Raises
    ------
    ValueError
        For another number of channels, no floating-point numbers, or no image.

    Notes
    -----
    With linear RGB (c / 12.92 up to c = 0.04045, ((c + 0.055) / 1.055)^2.4 above), XYZ = M RGB divided by the white
    point, and f(t) = t^(1/3) above 0.008856, (903.3 t + 16) / 116 up to there,

        L* = 116 f(Y) - 16,    a* = 500 (f(X) - f(Y)),    b* = 200 (f(Y) - f(Z)).

    Deviation from the standard: the machine's epsilon is added under the cube root, as in pyiqa.

    References
    ----------
    IEC 61966-2-1:1999; CIE 15:2004, section 8.2.1.
    """
    checks.channels(x, (3,))
    linear = torch.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    xyz = _mixed(linear, RGB_TO_XYZ) / torch.tensor(WHITE).to(x).view(3, 1, 1)
    # Where the cube root is not taken, a constant keeps its gradient finite.
    cube_root = (xyz.clamp_min(0.008856) + torch.finfo(x.dtype).eps) ** (1 / 3)
    f = torch.where(xyz > 0.008856, cube_root, (903.3 * xyz + 16) / 116)
    offset = torch.tensor((-16.0, 0.0, 0.0)).to(x).view(3, 1, 1)
    return _mixed(f, ((0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0))) + offset


def delta_e(lab: Tensor, lab_adv: Tensor) -> Tensor:
    """CIEDE2000 of two images in CIELAB.

    Parameters
    ----------
    lab, lab_adv : Tensor
        Images (N, 3, H, W) as L*, a*, b*, floating-point.

    Returns
    -------
    Tensor
        (N, H, W), 0 or more, differentiable in both.

    Notes
    -----
    With the lightness L', chroma C' and hue h' of the paper, their means (bars) and k_L = k_C = k_H = 1

        dE^2 = (dL' / S_L)^2 + (dC' / S_C)^2 + (dH' / S_H)^2 + R_T (dC' / S_C) (dH' / S_H).

    Deviations from the paper, none of which changes a value:

    - Roots and powers have the gradient 0 where their argument is 0, so that equal colours have one.
    - The hue of a grey is 0, and so is its gradient.

    References
    ----------
    Sharma, Wu and Dalal 2005, equations 2 to 22.
    """
    (lightness_1, a_1, b_1), (lightness_2, a_2, b_2) = lab.unbind(1), lab_adv.unbind(1)
    g = 0.5 * (1 - _saturation((_length(a_1, b_1) + _length(a_2, b_2)) / 2))  # equation 4
    primed_1, primed_2 = (1 + g) * a_1, (1 + g) * a_2  # equation 5: a'
    chroma_1, chroma_2 = _length(primed_1, b_1), _length(primed_2, b_2)  # equation 6: C'
    hue_1, hue_2 = _hue(primed_1, b_1), _hue(primed_2, b_2)  # equation 7: h'

    hue_change = hue_2 - hue_1  # equation 10: the shorter way round
    wraps = (hue_change.abs() > math.pi).to(hue_change)
    hue_change = hue_change - 2 * math.pi * wraps * hue_change.sign()

    lightness, chroma = (lightness_1 + lightness_2) / 2, (chroma_1 + chroma_2) / 2  # equations 12 and 13
    grey = chroma_1 * chroma_2 == 0
    hue = torch.where(grey, hue_1 + hue_2, (hue_1 + hue_2) / 2 + math.pi * wraps)  # equation 14
    t = (  # equation 15: T
        1
        - 0.17 * (hue - math.radians(30)).cos()
        + 0.24 * (2 * hue).cos()
        + 0.32 * (3 * hue + math.radians(6)).cos()
        - 0.20 * (4 * hue - math.radians(63)).cos()
    )
    # Equations 8, 9 and 11 over 18, 19 and 20: the changes of lightness, chroma and hue, each over its S.
    from_middle = (lightness - 50).square()
    lightness_term = (lightness_2 - lightness_1) / (1 + 0.015 * from_middle / (20 + from_middle).sqrt())
    chroma_term = (chroma_2 - chroma_1) / (1 + 0.045 * chroma)
    hue_term = 2 * root(chroma_1 * chroma_2) * (hue_change / 2).sin() / (1 + 0.015 * chroma * t)

    degrees = torch.rad2deg(hue.remainder(2 * math.pi))
    # Equations 16, 17 and 21: delta theta, R_C and R_T = -sin(2 delta theta) R_C.
    turn = math.radians(60) * (-((degrees - 275) / 25).square()).exp()  # twice the paper's delta theta
    rotation = -2 * _saturation(chroma) * turn.sin()
    squares = lightness_term.square() + chroma_term.square() + hue_term.square()
    # Equation 22.
    return root(squares + rotation * chroma_term * hue_term)


def _mixed(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """Each pixel's three values, multiplied by a matrix: (N, 3, H, W) -> the same."""
    return (x.permute(0, 2, 3, 1) @ torch.tensor(matrix).to(x).t()).permute(0, 3, 1, 2)


def _length(a: Tensor, b: Tensor) -> Tensor:
    """The length of (a, b): a chroma."""
    return root(a.square() + b.square())


def _hue(a: Tensor, b: Tensor) -> Tensor:
    """The angle of (a, b) in [0, 2 pi); 0, with gradient 0, for grey."""
    grey = (a == 0) & (b == 0)
    return torch.atan2(torch.where(grey, 0, b), torch.where(grey, 1, a)).remainder(2 * math.pi)


def _saturation(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), written so that its gradient at C = 0 is 0."""
    c = chroma / 25
    return c**3.5 * (1 + c**7).rsqrt()
