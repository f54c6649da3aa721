"""PGD (L2) as the second paper compares with it (section 3.2): no projection, no random start, early stop."""

import torch
from torch import Tensor, nn

from fairlib.attacks.gradients import normalised
from fairlib.attacks.loss import check_stopping
from fairlib.attacks.perceptual import ascend


@torch.inference_mode(False)
def pgd_l2(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    step_size: float = 0.1,
    confidence: float = 0.0,
    iterations: int = 100,
    quantise: str = "floor",
) -> Tensor:
    """Climb the cross-entropy by steps of one L2 length until the model is fooled.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    step_size : float
        The paper's epsilon, above 0: the L2 length of a step before `quantise`.
    confidence : float
        The paper's a, 0 or more: the lead, in logits, that another class must exceed for an image to be finished.
    iterations : int
        The paper's N, 1 or more: the largest number of steps.
    quantise : str
        How every value becomes a multiple of 1/255 after each step: `floor`, the next below; `round`, the nearest;
        `straight_through`, the nearest for model and caller, while the attack goes on from the value before.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x. An image whose gradient is zero or not finite stays where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or no gradient is finite.

    Notes
    -----
    The second paper calls this PGD; there is no ball, and L2 is what measures a step.

    x^n = quantise(clip(x^(n-1) + epsilon g / ||g||_2, 0, 1)) with g = grad_x J(theta; x^(n-1), y), J the cross-entropy
    and x^0 = x, for n = 1, ..., N, or until max_(j != y) z_j - z_y > a, with z the logits. Where the paper leaves it
    open:

    - The early stop and `quantise` are those of Algorithm 1; the paper says only that PGD stops early, too.
    - g is the gradient of the margin m, where J = log(1 + exp(m)): of J's direction, and not rounded to 0.
    - An image that the model already gets wrong comes back as it is.

    References
    ----------
    Second paper (Hua, Xu, Blanchet and Nguyen 2021), section 3.2.
    """
    check_stopping(model, x, y, confidence=confidence, iterations=iterations)
    return ascend(
        model, x, y, lambda margin, x_adv: margin, direction=normalised,
        step_size=step_size, confidence=confidence, iterations=iterations, quantise=quantise,
    )  # fmt: skip
