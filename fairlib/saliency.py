"""Where an image draws the eye: the spectral residual of Hou and Zhang (2007), as a distance between images.

The second paper (section 3.2) asks "one salient object detection network" as its third proxy of human vision, and
neither names it nor reports what it said. Deep ones need weights that no package carries; this one is a formula.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from fairlib import checks
from fairlib.perceptual import Distance

SIDE = 64  # pixels: the scale of a glance (Hou and Zhang, section 3.1)
BLUR = 2.5  # pixels of the map, as in the authors' published lines


def spectral_residual(x: Tensor) -> Tensor:
    """The saliency map: (N, 64, 64), not negative, from images x (N, 3, H, W) float32 in [0, 1].

    S = g * |F^-1[exp(R + iP)]|^2 with R = L - h * L (equations 8 to 10): L is the log-amplitude and P the phase of the
    grey image's spectrum, h a 3 x 3 average, g a Gaussian. What the average predicts is the expected, R the surprise.
    Differentiable. Raises ValueError for input of another shape, dtype or range.
    """
    checks.images(x, (3, *x.shape[-2:]))
    grey = T.rgb_to_grayscale(T.resize(x, [SIDE, SIDE], antialias=True))
    spectrum = torch.fft.fft2(grey)
    level = spectrum.abs().clamp_min(1e-9).log()
    surprise = level - F.avg_pool2d(F.pad(level, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    raw = torch.fft.ifft2(torch.polar(surprise.exp(), spectrum.angle())).abs().square()
    return T.gaussian_blur(raw, [21, 21], [BLUR, BLUR])[:, 0]


def _centred(x: Tensor) -> tuple[Tensor]:
    s = spectral_residual(x).flatten(1)
    return (s - s.mean(1, keepdim=True),)


def _uncorrelated(features: tuple[Tensor], x_adv: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(features[0], *_centred(x_adv), dim=1)


SALIENCY = Distance("saliency", smallest=SIDE, features=_centred, between=_uncorrelated)
"""1 - the correlation of the two saliency maps, in [0, 2]: 0 where the eye goes where it went."""
