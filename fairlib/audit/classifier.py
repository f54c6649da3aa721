"""The model that an audit is about: by the name that the command takes, with the preparation of its images."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import PureWindowsPath

from torch import nn

from fairlib import imagenet
from fairlib.audit.preparation import Preparation, standard_preparation, timm_preparation, torchvision_preparation

DEFAULT_SIZE = 224  # pixels, for a model that does not say
LARGEST_SIZE = 4_096  # pixels: 192 MiB an image
INSTEAD = (
    "or give a model of your own as module:function, also one of another library or from a file of weights: the "
    "function loads it and returns it"
)


@dataclass(frozen=True)
class Classifier:
    """A model, what it was called, and how images are prepared for it.

    Attributes
    ----------
    name : str
        What the user called it.
    model : torch.nn.Module
        In evaluation mode: (N, 3, *preparation.shape) pixels in [0, 1] -> logits (N, classes).
    preparation : Preparation
        What is done to an image before the model sees it.
    native_size : int or None
        Side in pixels that its weights ask for; None where they do not say.
    """

    name: str
    model: nn.Module
    preparation: Preparation
    native_size: int | None = None

    @property
    def size(self) -> int:
        """Width of the images that the model sees, in pixels."""
        return self.preparation.shape[-1]

    def warnings(self) -> list[str]:
        """What speaks against the size of the images.

        Returns
        -------
        list of str
            In sentences; most often none.
        """
        if self.native_size in (None, self.size):
            return []
        return [
            f"The images are prepared with {self.size} pixels a side, but the weights of {self.name} ask for "
            f"{self.native_size}, and may be less accurate at another size; leave out --size to follow them."
        ]


def load_classifier(name: str, size: int | None = None) -> Classifier:
    """The model that a name stands for, ready to classify.

    Parameters
    ----------
    name : str
        A name that `fairlib.imagenet.pretrained` takes; or `module:function`, the user's own: the function is imported
        (from the working directory, too) and called without arguments.
    size : int, optional
        Side of the images in pixels; by default what the weights were made for, or 224. The other lengths of a preset
        change in proportion.

    Returns
    -------
    Classifier
        Pretrained weights have the preparation of their preset; the user's own model, EfficientNet-Lite0 too, that of
        `standard_preparation`.

    Raises
    ------
    ValueError
        For a name that nobody knows, a network without classes, a function that fails or returns no module, or a size
        below 1 or above 4,096.
    FileNotFoundError
        For weights that cannot be had.
    """
    if size is not None and not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"size is {size}, expected 1 pixel or more, and {LARGEST_SIZE} at most")
    if ":" in name:
        model = _own(name)
        return Classifier(name, _frozen(model), standard_preparation(size or DEFAULT_SIZE))
    model = _published(name)
    native = _native_preparation(name, model)
    native_size = native.shape[-1]
    preparation = native if size in (None, native_size) else _native_preparation(name, model, size)
    return Classifier(name, _frozen(model), preparation, native_size)


def _frozen(model: nn.Module) -> nn.Module:
    """The model in evaluation mode, its parameters without gradients."""
    return model.eval().requires_grad_(False)


def _own(name: str) -> nn.Module:
    """What the user's function returns."""
    module, _, function = name.rpartition(":")
    if module.endswith(".py") or "/" in module or "\\" in module:
        suggestion = f"{PureWindowsPath(module).name.removesuffix('.py')}:{function}"  # its separators are both
        raise ValueError(
            f"the model {name} is a path, expected module:function; write {suggestion}, with the module in the current "
            "folder or on PYTHONPATH"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        made = getattr(importlib.import_module(module), function)
        if isinstance(made, nn.Module):
            raise TypeError(f"it is a model itself; write a function `def make(): return {function}`")
        model = made()
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ValueError(
            f"the model {name} cannot be made ({type(error).__name__}: {error}); expected module:function, a function "
            "without arguments in a module of the current folder or of PYTHONPATH"
        ) from error
    if not isinstance(model, nn.Module):
        raise ValueError(f"{name}() returned a {type(model).__name__}, expected a torch.nn.Module")
    return model


def _published(name: str) -> nn.Module:
    """A pretrained model; what is wrong with its name or its weights is said together with the other way."""
    try:
        return imagenet.pretrained(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; {INSTEAD}") from error
    except ValueError as error:
        raise ValueError(f"{error}; {INSTEAD}") from error


def _native_preparation(name: str, model: imagenet.Normalised, size: int | None = None) -> Preparation:
    """The preparation that pretrained weights come with, at their own size or another."""
    known = imagenet.own_name(name)
    if known == "EfficientNet-Lite0":
        return standard_preparation(size or DEFAULT_SIZE)
    if known == "ResNet-50":
        from torchvision.models import ResNet50_Weights

        return torchvision_preparation(ResNet50_Weights.IMAGENET1K_V1, size)
    weights = imagenet.torchvision_weights(name)
    return timm_preparation(model.network, size) if weights is None else torchvision_preparation(weights, size)
