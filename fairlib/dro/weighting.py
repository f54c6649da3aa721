"""Weighted images: the weights that Algorithm 2 gives, and what they do in the sampling and in the step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# What multiplies the learning rate in the step of an image of weight P, where images are sampled proportionally to P.
SCALINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "normalised": lambda P: P * P.sum() / P.square().sum(),  # mean 1 over the images sampled
    "raw": lambda P: P,  # as printed
    "sampling only": torch.ones_like,  # the weight speaks once
}


@dataclass(frozen=True)
class WeightedImages:
    """Images with labels and weights, the paper's {x_i, y_i, P_i}.

    Attributes
    ----------
    x : Tensor
        Images (M, C, H, W), float32 in [0, 1]; in memory, or a file that is read as it is needed.
    y : Tensor
        Labels (M,), int64.
    weights : Tensor
        P (M,), positive and finite: an image is drawn in proportion to it.

    Raises
    ------
    ValueError
        For parts of different lengths, and for weights that are not positive and finite.
    """

    x: Tensor
    y: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.y) == len(self.weights):
            raise ValueError(
                f"{len(self.x)} images, {len(self.y)} labels, {len(self.weights)} weights: expected one of each"
            )
        if not (torch.isfinite(self.weights) & (self.weights > 0)).all():
            low, high = self.weights.aminmax()
            raise ValueError(f"the weights span [{low:g}, {high:g}], expected positive, finite ones")


def sampling_weights(images: int, iterations: int) -> Tensor:
    """Give the weights P of the data set that Algorithm 2 makes.

    Parameters
    ----------
    images : int
        N, the images that it starts from.
    iterations : int
        T1.

    Returns
    -------
    Tensor
        (N (T1 + 1),), float64: 1 for each of the N images, (k - 1) N + i for the i-th attack of iteration k.

    References
    ----------
    Second paper, Algorithm 2, lines 1 and 7.

    Examples
    --------
    >>> sampling_weights(2, iterations=2).tolist()
    [1.0, 1.0, 1.0, 2.0, 3.0, 4.0]
    """
    attacks = torch.arange(1, images * iterations + 1, dtype=torch.float64)
    return torch.cat([torch.ones(images, dtype=torch.float64), attacks])


def sample(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw images with replacement, in proportion to their weights.

    Parameters
    ----------
    weights : Tensor
        P (M,), positive, in any sum.
    n : int
        How many.
    generator : Generator
        On the CPU.

    Returns
    -------
    Tensor
        Indices (n,), int64, on the CPU.

    References
    ----------
    Second paper, Algorithm 2, line 3; Algorithm 3, line 4.
    """
    return torch.multinomial(weights.cpu(), n, replacement=True, generator=generator)
