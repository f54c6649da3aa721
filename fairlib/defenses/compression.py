"""Defences that compress what they are given: JPEG and fewer bits per channel (second paper, section 3.2, figure 4).

Neither knows of an attack, a model or a label. The paper names both and prints no setting of either.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fairlib import checks

SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")


def jpeg(x: Tensor, quality: int, *, subsampling: str = "4:2:0") -> Tensor:
    """Write each image as a JPEG file and read it again (Das et al. 2018; Guo et al. 2018).

    x (N, 3, H, W) float32 in [0, 1], rounded to 8 bits first; quality 1 to 100 as libjpeg counts it (95 is nearly the
    image, 10 is coarse). Baseline files; `subsampling` is that of the chroma, one of `SUBSAMPLINGS`: libjpeg's default
    halves it along both sides. Returns a new tensor like x, in steps of 1/255. Raises ValueError for anything else.
    """
    _colour(x)
    checks.whole(quality, "quality", 1, 100)
    checks.one_of(subsampling, SUBSAMPLINGS, "subsampling")
    levels = (255 * x.detach()).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
    decoded = np.stack([_recoded(image, quality, subsampling) for image in levels])
    return torch.from_numpy(decoded).permute(0, 3, 1, 2).contiguous().to(x) / 255


def _recoded(image: np.ndarray, quality: int, subsampling: str) -> np.ndarray:
    """(H, W, 3) of 8 bits in, the same out."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def bit_depth(x: Tensor, bits: int) -> Tensor:
    """Keep 2^bits evenly spread levels per channel: round(x (2^bits - 1)) / (2^bits - 1) (Guo et al. 2018).

    x (N, 3, H, W) float32 in [0, 1]; bits 1 to 8, where 8 leaves an 8-bit image as it is. Black stays black and white
    white; a value midway between two levels goes to the even one. Returns a new tensor like x. Raises ValueError for
    anything else.
    """
    _colour(x)
    top = 2 ** checks.whole(bits, "bits", 1, 8) - 1
    return (top * x.detach()).round() / top


def _colour(x: Tensor) -> None:
    checks.images(x)
    checks.channels(x, (3,))
