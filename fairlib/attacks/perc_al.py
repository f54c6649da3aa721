"""PerC-AL (Zhao, Liu and Larson 2020, section 4.2), with which the second paper compares: loss and colour in turns."""

import math

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients
from fairlib.attacks.loss import answers, lead, margin
from fairlib.attacks.perceptual import stepping
from fairlib.attacks.pgd_l2 import unit
from fairlib.perceptual import delta_e, rgb_to_lab


@torch.inference_mode(False)
def perc_al(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    a: float = 0.0,
    N: int = 100,
    alpha_l: float = 1.0,
    alpha_c: float = 0.1,
) -> Tensor:
    """Step up the loss while the model is right, down the colour difference while it is fooled; keep the nearest hit.

    x (N, 3, H, W) float32 in [0, 1], or (N, 1, H, W) of greys, which stay greys; y (N,) int64 true labels; model(x)
    logits (or log-probabilities). Untargeted. N iterations, all of them, of L2 length alpha_l (cross-entropy) and
    alpha_c (L2 norm over the pixels of CIEDE2000), which fall along a cosine to 1/100 and 1/10 of their first values.
    Fooled means that another class leads by more than a >= 0 on the point rounded to 8 bits; of these the one with the
    smallest colour difference is returned, or x where there is none. In the published code `a` only switches to a fixed
    margin of 40; here it is the margin.

    As in that code, the colour difference that counts is that of the point before its step down, not after; unlike
    there, of pixels that are clipped to [0, 1] already. Its N is 1,000 by default, its alpha_c 0.5, or 0.1 for
    untargeted attacks; the second paper prints neither. An image that the model already gets wrong comes back as it is,
    whatever a is; one without a finite gradient stays where it is, with a warning. Raises ValueError for input of
    another shape, dtype or range, a model in training mode, and where no gradient is finite.
    """
    stepping(model, x, y, a=a, N=N)
    checks.channels(x, (1, 3))
    checks.positive(alpha_l, "alpha_l", "the length of a step up the loss")
    checks.positive(alpha_c, "alpha_c", "the length of a step down the colour difference")
    x_adv = x.detach().clone()
    with torch.no_grad():
        left = (lead(answers(model, x_adv), y) <= 0).nonzero()[:, 0]
    if not len(left):
        return x_adv
    z, y = x_adv[left], y[left]
    lab = rgb_to_lab(z.expand(-1, 3, -1, -1))
    fooled = torch.zeros(len(z), dtype=torch.bool, device=z.device)
    distance, nearest = (torch.full((len(z),), torch.inf, device=z.device) for _ in range(2))
    with Gradients(x_adv) as gradients:
        for k in range(1, N + 1):
            share = (1 + math.cos(math.pi * (k - 1) / N)) / 2
            up, down = (alpha * (low + (1 - low) * share) for alpha, low in ((alpha_l, 0.01), (alpha_c, 0.1)))
            if not fooled.all():
                on = ~fooled
                with torch.enable_grad():
                    point = z[on].requires_grad_()
                    away = gradients(margin(answers(model, point), y[on]), point, left[on])
                z[on] = (z[on] + up * unit(away)).clamp(0, 1)
                distance[on] = colour_distance(lab[on], z[on])
            if fooled.any():
                with torch.enable_grad():
                    point = z[fooled].requires_grad_()
                    found = colour_distance(lab[fooled], point)
                    further = gradients(found, point, left[fooled])
                z[fooled] = (z[fooled] - down * unit(further)).clamp(0, 1)
                distance[fooled] = found.detach()
            rounded = (255 * z).round() / 255
            with torch.no_grad():
                fooled = lead(answers(model, rounded), y) > a
            best = fooled & (distance < nearest)
            nearest[best] = distance[best]
            x_adv[left[best]] = rounded[best]
    return x_adv


def colour_distance(lab: Tensor, x_adv: Tensor) -> Tensor:
    """||CIEDE2000||_2 over the pixels: CIELAB of x (N, 3, H, W) and pixels of x_adv (N, 3 or 1, H, W) -> (N,)."""
    return torch.linalg.vector_norm(delta_e(lab, rgb_to_lab(x_adv.expand(-1, 3, -1, -1))), dim=(1, 2))
