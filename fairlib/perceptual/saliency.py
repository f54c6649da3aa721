"""Where an image draws the eye: the spectral residual of Hou and Zhang (2007), as a distance between images.

The second paper (section 3.2) asks "one salient object detection network" as its third proxy of human vision, and
neither names it nor reports what it said. Deep ones need weights that no package carries; this one is a formula.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checks
from fairlib.perceptual.distance import Distance

SIDE = 64  # pixels: the scale of a glance (Hou and Zhang, section 3.1)
BLUR = 2.5  # pixels of the map, as in the authors' published lines


def spectral_residual(x: Tensor) -> Tensor:
    """The saliency map of images: where their spectrum holds more than it does nearby.

    Parameters
    ----------
    x : Tensor
        RGB images (N, 3, H, W) float32 in [0, 1].

    Returns
    -------
    Tensor
        (N, 64, 64), 0 or more, differentiable in `x`.

    Raises
    ------
    ValueError
        For images of another shape, dtype or range.

    Notes
    -----
    With the log-amplitude L and the phase P of the grey image's spectrum at 64 x 64 pixels, a 3 x 3 average h and a
    Gaussian g,

        S = g * |F^-1[exp(R + i P)]|^2,    R = L - h * L.

    What the average predicts is the expected, R the surprise. Deviation from the paper: amplitudes below 1e-9 count as
    1e-9, since a flat image has some of 0.

    References
    ----------
    Hou and Zhang 2007, equations 8 to 10.
    """
    checks.images(x, (3, *x.shape[-2:]))
    from torchvision.transforms.v2 import functional as transforms

    grey = transforms.rgb_to_grayscale(transforms.resize(x, [SIDE, SIDE], antialias=True))
    spectrum = torch.fft.fft2(grey)
    log_amplitude = spectrum.abs().clamp_min(1e-9).log()
    average = F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    surprise = log_amplitude - average
    raw = torch.fft.ifft2(torch.polar(surprise.exp(), spectrum.angle())).abs().square()
    return transforms.gaussian_blur(raw, [21, 21], [BLUR, BLUR])[:, 0]


def _centred(x: Tensor) -> tuple[Tensor]:
    """The saliency maps, flattened, less their means."""
    saliency = spectral_residual(x).flatten(1)
    return (saliency - saliency.mean(1, keepdim=True),)


def _uncorrelated(features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
    """1 - the correlation of the saliency maps."""
    return 1 - F.cosine_similarity(features[0], *_centred(x_adv), dim=1)


SALIENCY = Distance("saliency", smallest=SIDE, features=_centred, between=_uncorrelated)
"""1 - the correlation of the two saliency maps, in [0, 2]: 0 where the eye goes where it went."""
