"""The step that Algorithms 2 and 3 share: theta <- theta - alpha P_i grad_theta l(theta; x_i, y_i)."""

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks import answers, cross_entropy
from fairlib.dro.weighting import SCALINGS


class Diverged(ValueError):
    """A loss, a gradient or a weight that is no longer finite."""


def descend(
    theta: nn.Module, x: Tensor, y: Tensor, step_weights: Tensor, lr: float, where: str, *, models: int = 1
) -> None:
    """Change the model by one step of weighted gradient descent.

    Parameters
    ----------
    theta : Module
        The model, or a stack of several, each with an equal part of the batch; theta(x) logits or log-probabilities.
    x : Tensor
        Images (n, C, H, W), float32 in [0, 1].
    y : Tensor
        Labels (n,), int64; neither they nor the model's answers are looked at here, `check` does that once.
    step_weights : Tensor
        w (n,), what `SCALINGS` make of the images' weights P.
    lr : float
        alpha, the learning rate.
    where : str
        The place in the training, for the error.
    models : int
        How many models the stack holds.

    Raises
    ------
    Diverged
        Where the loss, or a weight after the step, is not finite.

    Notes
    -----
    theta <- theta - alpha * mean_i(w_i grad_theta l(theta; x_i, y_i)), l the cross-entropy; parameters without
    `requires_grad` stay. Line 5 of both algorithms is one image, and w = P.

    References
    ----------
    Second paper, Algorithms 2 and 3, line 5.
    """
    loss = (cross_entropy(theta(x.clone()), y) * step_weights.to(x)).sum() * models / len(x)
    trained = [p for p in theta.parameters() if p.requires_grad]
    with torch.no_grad():
        for parameter, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
            parameter.sub_(gradient, alpha=lr)
        if not torch.isfinite(loss + sum(torch._foreach_norm(trained))):
            raise Diverged(
                f"the loss is {loss.item()} in {where}, or a weight is no longer finite after its step; "
                f"lower lr ({lr}), or take scaling='normalised'"
            )


def check(model: nn.Module, x: Tensor, *, lr: float, batch_size: int, scaling: str, **rounds: int) -> int:
    """Refuse what cannot be trained.

    Parameters
    ----------
    model : Module
        In evaluation mode, with parameters that require a gradient.
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].
    lr, batch_size, scaling
        As `adversarial_data` takes them.
    **rounds : int
        Whole numbers of 1 or more, by the names that the caller gave them.

    Returns
    -------
    int
        K, the number of classes.

    Raises
    ------
    ValueError
        For whatever does not fit.
    """
    checks.fitting(model, x)
    checks.one_of(scaling, tuple(SCALINGS), "scaling")
    for name, value in {"batch_size": batch_size, **rounds}.items():
        checks.whole(value, name)
    checks.positive(lr, "lr", "the learning rate")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no parameter that requires a gradient; call model.requires_grad_() first")
    return answers(model, x[:1].to(device(model))).shape[1]


def device(theta: nn.Module) -> torch.device:
    """Say where a model is.

    Parameters
    ----------
    theta : Module
        With parameters.

    Returns
    -------
    device
        Of its first parameter.
    """
    return next(theta.parameters()).device
