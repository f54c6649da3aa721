"""PGD (L2) as the second paper compares with it (section 3.2): no projection, no random start, early stop."""

import torch
from torch import Tensor, nn

from fairlib.attacks.perceptual import ascend


@torch.inference_mode(False)
def pgd_l2(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float = 0.1,
    a: float = 0.0,
    N: int = 100,
    quantise: str = "floor",
) -> Tensor:
    """x^n = x^(n-1) + eps * g / ||g||_2 with g = grad_x loss(theta; x^(n-1), y), from x^0 = x, until fooled or n = N.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits (or log-probabilities); the loss is
    cross-entropy, whose gradient has the direction of the margin's (`fairlib.attacks.loss`). eps > 0 is the L2 length
    of a step before `quantise`; that, the lead a >= 0 and the early stop are those of Algorithm 1
    (`fairlib.attacks.perceptual.ascend`): the paper says only that PGD stops early, too. Returns a new tensor like x.
    An image whose gradient is zero or not finite stays where it is, with a warning; one that the model already gets
    wrong comes back as it is. Raises ValueError for input of another shape, dtype or range, a model in training mode,
    and where no gradient is finite.
    """
    return ascend(model, x, y, lambda m, x_adv: m, direction=unit, eps=eps, a=a, N=N, quantise=quantise)


def unit(gradient: Tensor) -> Tensor:
    """g / ||g||_2, image by image, (N, C, H, W); zero where g is. In double precision: entries go down to 1e-30."""
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True, dtype=torch.float64)
    return (gradient / norm.clamp_min(torch.finfo(norm.dtype).tiny)).to(gradient.dtype)
