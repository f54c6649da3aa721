"""Input smoothing: a fixed blur before the network."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checks
from fairlib.models import LayeredModel


class Blurred(LayeredModel):
    """Let a network see the image through a Gaussian blur.

    Takes the images that the network takes; answers with its log-probabilities (N, K). An attack that differentiates
    through it knows of the blur.

    Parameters
    ----------
    network : LayeredModel
        In evaluation mode.
    sigma : float
        The blur's standard deviation in pixels, above 0.

    Raises
    ------
    ValueError
        For anything else, and for a network in training mode.

    Notes
    -----
    Each pixel becomes the mean of its neighbours up to 3 sigma away, rounded up, with weights exp(-d^2 / (2 sigma^2));
    the border is mirrored. The weights sum to 1, so that no pixel leaves [0, 1].

    References
    ----------
    Xu, Evans and Qi (2018), Feature squeezing: detecting adversarial examples in deep neural networks, section 3.2
    (spatial smoothing; they take a median).
    """

    def __init__(self, network: LayeredModel, sigma: float) -> None:
        super().__init__()
        checks.instance(network, LayeredModel, "the network", "get one with fairlib.training.shipped")
        checks.evaluating(network)
        checks.positive(sigma, "sigma", "the blur's standard deviation in pixels")
        self.reach = int(-(-3 * sigma // 1))
        if self.reach >= min(network.shape[1:]):
            raise ValueError(
                f"sigma is {sigma}, expected less than a third of the image's side ({min(network.shape[1:])})"
            )
        self.network = network
        self.classes, self.shape = network.classes, network.shape
        weights = torch.exp(-torch.arange(-self.reach, self.reach + 1).square() / (2 * sigma**2))
        self.register_buffer("weights", weights / weights.sum())
        self.eval()

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        channels, size = x.shape[1], len(self.weights)
        kernel = self.weights.to(x).expand(channels, 1, size)
        padded = F.pad(x, [self.reach] * 4, mode="reflect")
        rows = F.conv2d(padded, kernel[:, :, None], groups=channels)
        yield from self.network.layers(F.conv2d(rows, kernel[..., None], groups=channels))
