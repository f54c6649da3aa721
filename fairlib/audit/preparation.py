"""How an image file becomes the pixels that a model was trained to see."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from torch import Tensor, nn
from torchvision.models import WeightsEnum
from torchvision.transforms import Compose, Normalize

from fairlib import pictures


@dataclass(frozen=True)
class Preparation:
    """What is done to an upright RGB image before a model sees it.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the result, in pixels.
    short_side : int
        Length in pixels of the image's short side before the middle is cut out.
    description : str
        The same in words, for the report.
    apply : callable
        The function that does it: an RGB image -> (3, *shape) float32 pixels in [0, 1], not normalised.
    """

    shape: tuple[int, int]
    short_side: int
    description: str
    apply: Callable[[Image.Image], Tensor]


def standard_preparation(size: int) -> Preparation:
    """The usual evaluation on ImageNet, for models that do not say how their images are prepared.

    Parameters
    ----------
    size : int
        Side of the square that the model sees, in pixels.

    Returns
    -------
    Preparation
        The short side is resized to 256/224 of `size` (bicubic), then the middle is cut out.
    """
    short_side = round(size * pictures.MARGIN)
    apply = partial(pictures.cut, short=short_side, size=size)
    return Preparation((size, size), short_side, _cut(short_side, (size, size), "bicubic"), apply)


def torchvision_preparation(weights: WeightsEnum, size: int | None = None) -> Preparation:
    """The preset that weights of torchvision come with, less the normalisation, which is inside our models.

    Parameters
    ----------
    weights : torchvision.models.WeightsEnum
        A member of one of torchvision's enumerations, such as `ResNet50_Weights.IMAGENET1K_V1`.
    size : int, optional
        Side of the square that the model sees, in pixels; by default the preset's. The preset's other length changes
        in proportion.

    Returns
    -------
    Preparation
    """
    preset = weights.transforms()
    (native_size,), (native_short_side,) = preset.crop_size, preset.resize_size
    size = size or native_size
    short_side = round(native_short_side * size / native_size)
    apply = weights.transforms(crop_size=size, resize_size=short_side, mean=(0, 0, 0), std=(1, 1, 1))
    interpolation = f"{preset.interpolation.value}{', antialiased' if preset.antialias else ''}"
    description = f"{_cut(short_side, (size, size), interpolation)}: the preset of {weights}"
    return Preparation((size, size), short_side, description, apply)


def timm_preparation(network: nn.Module, size: int | None = None) -> Preparation:
    """timm's own preparation for one of its networks, less the normalisation, which is inside our models.

    Parameters
    ----------
    network : torch.nn.Module
        A network that `timm.create_model` made.
    size : int, optional
        Side of the square that the model sees, in pixels; by default what the network's configuration says.

    Returns
    -------
    Preparation

    Raises
    ------
    ValueError
        When this version of timm does not end its preparation with the normalisation.
    """
    import timm

    config = timm.data.resolve_model_data_config(network)
    channels, *shape = config["input_size"]
    if size not in (None, shape[-1]):
        shape = [size, size]
    steps = timm.data.create_transform(**config | {"input_size": (channels, *shape)}, is_training=False).transforms
    if not isinstance(steps[-1], Normalize):
        raise ValueError(f"timm prepares images with {steps}, expected to end with the normalisation; install timm 1")
    resized = [math.floor(side / config["crop_pct"]) for side in shape]
    interpolation = config["interpolation"]
    if config["crop_mode"] == "squash":
        description = (
            f"squashed to {resized[0]} x {resized[1]} pixels ({interpolation}), middle {shape[0]} x {shape[1]} cut out"
        )
    elif config["crop_mode"] == "border":
        description = (
            f"made to fit into {resized[0]} x {resized[1]} pixels ({interpolation}), with a border to "
            f"{shape[0]} x {shape[1]}"
        )
    else:
        description = _cut(min(resized), tuple(shape), interpolation)
    description += ": timm's configuration of the weights"
    return Preparation(tuple(shape), min(resized), description, Compose(steps[:-1]))


def read_image(path: Path, preparation: Preparation) -> Tensor:
    """Read an image file, turn it upright, convert it to RGB and prepare it.

    Parameters
    ----------
    path : pathlib.Path
        The file, in any format that `fairlib.pictures.formats` lists.
    preparation : Preparation
        What is done to the upright image.

    Returns
    -------
    Tensor
        (3, *preparation.shape) float32 pixels in [0, 1].

    Raises
    ------
    ValueError
        For a file that `fairlib.pictures.upright` refuses, and for an image so narrow that it would become too large as
        it is resized.
    """
    image = pictures.upright(path)
    if preparation.short_side**2 * max(image.size) / min(image.size) > pictures.LARGEST:
        raise ValueError(f"{image.width} x {image.height} pixels are too narrow; cut the image")
    return preparation.apply(image)


def _cut(short_side: int, shape: tuple[int, int], interpolation: str) -> str:
    """Resizing and cutting, in words."""
    return f"short side to {short_side} pixels ({interpolation}), middle {shape[0]} x {shape[1]} cut out"
