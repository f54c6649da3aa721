"""Powers and roots that can be differentiated where their argument is 0."""

import torch
from torch import Tensor


def power(s: Tensor, exponent: float) -> Tensor:
    """`s` to a power below 1, with gradient 0 where `s` is 0 (or below it by a rounding error)."""
    return torch.where(s > 0, s, 1) ** exponent * (s > 0)


def root(s: Tensor) -> Tensor:
    """The square root of `s`, with gradient 0 where `s` is 0."""
    return power(s, 0.5)
