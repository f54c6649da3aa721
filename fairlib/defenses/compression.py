"""Defences that compress what they are given: JPEG and fewer bits per channel (second paper, section 3.2, figure 4)."""

import io

import numpy as np
import torch
from torch import Tensor

from fairlib import checks

SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")


def jpeg(x: Tensor, quality: int, *, subsampling: str = "4:2:0") -> Tensor:
    """Write each image as a JPEG file and read it again.

    Parameters
    ----------
    x : Tensor
        Images (N, 3, H, W), float32 in [0, 1]; rounded to 8 bits first.
    quality : int
        1 to 100 as libjpeg counts it: 95 is nearly the image, 10 is coarse.
    subsampling : str
        Of the chroma, one of `SUBSAMPLINGS`; libjpeg's default halves it along both sides.

    Returns
    -------
    Tensor
        New images like x, in steps of 1/255.

    Raises
    ------
    ValueError
        For other images or options.

    Notes
    -----
    Baseline files. Not differentiable: an attack on what lies behind it needs a stand-in.

    References
    ----------
    Das et al. (2018), Shield. Guo et al. (2018), Countering adversarial images using input transformations. Second
    paper, section 3.2, which prints no setting.
    """
    _colour(x)
    checks.whole(quality, "quality", 1, 100)
    checks.one_of(subsampling, SUBSAMPLINGS, "subsampling")
    levels = (255 * x.detach()).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
    decoded = np.stack([_recoded(image, quality, subsampling) for image in levels])
    return torch.from_numpy(decoded).permute(0, 3, 1, 2).contiguous().to(x) / 255


def _recoded(image: np.ndarray, quality: int, subsampling: str) -> np.ndarray:
    """An image (H, W, 3) of 8 bits, after JPEG."""
    from PIL import Image  # who attacks a network does not wait for it

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def bit_depth(x: Tensor, bits: int) -> Tensor:
    """Keep few, evenly spread levels per channel.

    Parameters
    ----------
    x : Tensor
        Images (N, 3, H, W), float32 in [0, 1].
    bits : int
        1 to 8, where 8 leaves an 8-bit image as it is.

    Returns
    -------
    Tensor
        New images like x, of 2^bits levels.

    Raises
    ------
    ValueError
        For other images or bits.

    Notes
    -----
    round(x (2^bits - 1)) / (2^bits - 1): black stays black and white white; a value midway between two levels goes to
    the even one.

    References
    ----------
    Guo et al. (2018), Countering adversarial images using input transformations. Second paper, section 3.2, which
    prints no setting.
    """
    _colour(x)
    top = 2 ** checks.whole(bits, "bits", 1, 8) - 1
    return (top * x.detach()).round() / top


def _colour(x: Tensor) -> None:
    """Refuse what are no images in colour."""
    checks.images(x)
    checks.channels(x, (3,))
