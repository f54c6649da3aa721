"""Arrays and pictures as text in a script: base64 of their bytes, little endian."""

import base64
import io

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image


def float32(values: ArrayLike) -> str:
    """Numbers as float32, in C order."""
    return text(np.asarray(values, "<f4"))


def pixels(images: ArrayLike) -> str:
    """Pixels in [0, 1] that are multiples of 1/255, a byte each; raises ValueError where one is none."""
    bytes_ = np.rint(np.asarray(images) * 255)
    if not (bytes_.astype(np.float32) / np.float32(255) == np.asarray(images)).all():
        raise ValueError("the images hold a pixel that is no multiple of 1/255, expected images of eight bits")
    return text(bytes_.astype(np.uint8))


def webp(image: np.ndarray) -> str:
    """An RGB image (H, W, 3) uint8 as WebP, without loss."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=100, method=6)
    return text(file.getvalue())


def text(content: np.ndarray | bytes) -> str:
    """Bytes, or those of an array in C order, in base64."""
    if isinstance(content, np.ndarray):
        content = np.ascontiguousarray(content).tobytes()
    return base64.b64encode(content).decode("ascii")
