"""PerC-AL (Zhao, Liu and Larson 2020, section 4.2), with which the second paper compares: loss and colour in turns."""

import math

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, normalised
from fairlib.attacks.loss import CheckedModel, check_stopping, lead, margin
from fairlib.perceptual import delta_e, rgb_to_lab


@torch.inference_mode(False)
def perc_al(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    confidence: float = 0.0,
    iterations: int = 100,
    loss_step_size: float = 1.0,
    colour_step_size: float = 0.1,
) -> Tensor:
    """Step up the loss while the model is right, down the colour difference while it is fooled; keep the nearest hit.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, 3, H, W) float32 in [0, 1], the images, or (N, 1, H, W) of greys, which stay greys.
    y : Tensor
        (N,) int64, the true classes.
    confidence : float
        kappa, 0 or more: the lead, in logits, that another class must exceed for an image to be fooled.
    iterations : int
        Number of steps K, 1 or more; all of them are taken.
    loss_step_size : float
        alpha_l, above 0: the L2 length of the first step up the loss; it falls along a cosine to 1/100 of that.
    colour_step_size : float
        alpha_c, above 0: the same of a step down the colour difference; it falls along a cosine to 1/10.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x, in steps of 1/255: of the points that fooled the model the one with the smallest
        colour difference, or x where there is none. An image without a finite gradient stays where it is, with a
        warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or no gradient is finite.

    Notes
    -----
    With g_l = grad J, J the cross-entropy, and g_c = grad C, C = ||CIEDE2000(x, x_k)||_2 over the pixels, step k is

    - x_(k+1) = clip(x_k + alpha_l g_l / ||g_l||_2, 0, 1) while max_(j != y) z_j - z_y <= kappa, z the logits at x_k
      rounded to 8 bits;
    - x_(k+1) = clip(x_k - alpha_c g_c / ||g_c||_2, 0, 1) otherwise.

    As in the published code, the colour difference that counts is that of the point before its step down, not after.
    Deviations from it, all for untargeted attacks:

    - There, kappa only switches to a fixed lead of 40; here it is the lead.
    - There, the colour difference is that of pixels before they are clipped to [0, 1]; here after.
    - There, K is 1,000 and alpha_c 0.5, or 0.1 for untargeted attacks; the second paper prints neither.
    - g_l is the gradient of the margin m, where J = log(1 + exp(m)): of J's direction, and not rounded to 0.
    - An image that the model already gets wrong comes back as it is, whatever kappa is.

    References
    ----------
    Zhao, Liu and Larson (2020), Towards Large yet Imperceptible Adversarial Image Perturbations with Perceptual Color
    Distance, section 4.2. Second paper, section 3.2.
    """
    check_stopping(model, x, y, confidence=confidence, iterations=iterations)
    checks.channels(x, (1, 3))
    checks.positive(loss_step_size, "loss_step_size", "the length of a step up the loss")
    checks.positive(colour_step_size, "colour_step_size", "the length of a step down the colour difference")
    model, x_adv = CheckedModel(model, y), x.detach().clone()
    with torch.no_grad():
        active = (lead(model(x_adv), y) <= 0).nonzero()[:, 0]  # the images that the model gets right
    if not len(active):
        return x_adv
    point, y = x_adv[active], y[active]
    lab = rgb_to_lab(point.expand(-1, 3, -1, -1))
    fooled = torch.zeros(len(point), dtype=torch.bool, device=x.device)
    distance = torch.full((len(point),), torch.inf, device=x.device)
    smallest = distance.clone()
    with Gradients(x_adv) as gradients:
        for k in range(iterations):
            cosine = (1 + math.cos(math.pi * k / iterations)) / 2  # from 1 to 0
            loss_step = loss_step_size * (0.01 + (1 - 0.01) * cosine)
            colour_step = colour_step_size * (0.1 + (1 - 0.1) * cosine)
            if not fooled.all():
                right = ~fooled
                with torch.enable_grad():
                    leaf = point[right].requires_grad_()
                    uphill = gradients(margin(model(leaf), y[right]), leaf, active[right])
                point[right] = (point[right] + loss_step * normalised(uphill)).clamp(0, 1)
                distance[right] = colour_distance(lab[right], point[right])
            if fooled.any():
                with torch.enable_grad():
                    leaf = point[fooled].requires_grad_()
                    difference = colour_distance(lab[fooled], leaf)
                    uphill = gradients(difference, leaf, active[fooled])
                point[fooled] = (point[fooled] - colour_step * normalised(uphill)).clamp(0, 1)
                distance[fooled] = difference.detach()
            rounded = (255 * point).round() / 255
            with torch.no_grad():
                fooled = lead(model(rounded), y) > confidence
            nearer = fooled & (distance < smallest)
            smallest[nearer] = distance[nearer]
            x_adv[active[nearer]] = rounded[nearer]
    return x_adv


def colour_distance(lab: Tensor, x_adv: Tensor) -> Tensor:
    """||CIEDE2000||_2 over the pixels: CIELAB of x (N, 3, H, W) and pixels of x_adv (N, 3 or 1, H, W) -> (N,)."""
    return torch.linalg.vector_norm(delta_e(lab, rgb_to_lab(x_adv.expand(-1, 3, -1, -1))), dim=(1, 2))
