"""Gradients of one value per image with respect to that image: looked at before they are used."""

import torch
from torch import Tensor


def gradient(value: Tensor, z: Tensor, k: int, *, keep: bool = False) -> Tensor:
    """The gradient of each value (n,) with respect to its own image of z (n, C, H, W), at iteration k.

    `keep` keeps the graph, so that the gradient can be differentiated again. Raises ValueError for a value that does
    not depend on z, and for a gradient that is not finite.
    """
    if not value.requires_grad:
        raise ValueError("the value has no gradient with respect to the images, expected a differentiable one")
    (found,) = torch.autograd.grad(value.sum(), z, create_graph=keep)
    if not found.isfinite().all():
        raise ValueError(f"the gradient of iteration {k} is not finite; take a smaller step, or look at the model")
    return found


def dot(u: Tensor, v: Tensor) -> Tensor:
    """The inner product, image by image: (n, C, H, W) twice -> (n, 1, 1, 1)."""
    return (u * v).sum((1, 2, 3), keepdim=True)
