"""The loss that attacks climb, right in float32 however sure the network is.

With z the network's answer, logits or log-probabilities alike, and y the true class, the cross-entropy

    J = -log softmax(z)_y = log(1 + exp(m)),    m = log(sum over j != y of exp(z_j)) - z_y,

depends on z only through the margin m, and grows with it. As the network gets surer, J falls to 0 like exp(m) and so
does its gradient; where softmax(z)_y rounds to 1, -log of it has none left. m has no such end: grad J = sigmoid(m)
grad m, so that sign and direction can be had from m itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import depends, missing, named


def answers(model: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """What the model answers to a copy of x, into which it may write, once that has been looked at.

    Parameters
    ----------
    model : nn.Module
        model(x) are logits or log-probabilities.
    x : Tensor
        (N, C, H, W), the images.
    y : Tensor or None
        (N,) int64, labels that are to be among the K classes.

    Returns
    -------
    Tensor
        z (N, K), logits or log-probabilities.

    Raises
    ------
    ValueError
        When the answer has another shape or fewer than two classes, when a label is none of them; where x requires a
        gradient, when the answer does not depend on x in PyTorch's graph or is -inf, whose gradient is lost.
    """
    z = model(x.clone())
    _check(z, x, y)
    return z


class CheckedModel:
    """A model inside the loop of an attack: its first answers are looked at as `answers` does, then it is trusted.

    Called on x (n, C, H, W), it answers with logits or log-probabilities (n, K). The first call and the first one that
    takes a gradient are checked, and with them the labels y (N,) int64; the model may write into what it is shown.
    """

    def __init__(self, model: nn.Module, y: Tensor) -> None:
        self.model, self.y = model, y
        self.checked: set[bool] = set()  # without a gradient, with one

    def __call__(self, x: Tensor) -> Tensor:
        """What the model answers to a copy of x (N, C, H, W): z (N, K)."""
        z = self.model(x.clone())
        differentiable = x.requires_grad and torch.is_grad_enabled()
        if differentiable not in self.checked:
            _check(z, x, self.y)
            self.checked.add(differentiable)
        return z


def _check(z: object, x: Tensor, y: Tensor | None) -> None:
    """Refuse an answer z to x that no attack can use, and labels that are no class of it."""
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != len(x) or z.shape[1] < 2:
        what = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"
        raise ValueError(
            f"the model answers {len(x)} images with {what}, expected ({len(x)}, K) for K >= 2 classes; a network with "
            "one output needs a second column, torch.cat([0 * z, z], 1)"
        )
    if x.requires_grad and torch.is_grad_enabled() and not depends(z, x):
        raise ValueError(missing("the model's answer"))
    if z.requires_grad and (lost := z.detach().isneginf().any(1)).any():
        raise ValueError(
            f"the model answers -inf for {named(lost)}, so that its gradient is lost: log(softmax(z)) does so where a "
            "probability rounds to 0; let it end in z itself or in torch.log_softmax(z, 1)"
        )
    if y is not None:
        checks.labels(y, len(y), z.shape[1])


def margin(z: Tensor, y: Tensor) -> Tensor:
    """The margin m = log(sum over j != y of exp(z_j)) - z_y, which the cross-entropy is a function of.

    Parameters
    ----------
    z : Tensor
        (N, K), logits or log-probabilities.
    y : Tensor
        (N,) int64, the true classes, in [0, K); `answers` looks at them.

    Returns
    -------
    Tensor
        (N,), negative where the network is surer of y than of all others together. Differentiable in z.
    """
    return _ahead(z, y).logsumexp(1)


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy J = -log softmax(z)_y = log(1 + exp(m)) with m the `margin`, image by image.

    Parameters
    ----------
    z : Tensor
        (N, K), logits or log-probabilities.
    y : Tensor
        (N,) int64, the true classes, in [0, K).

    Returns
    -------
    Tensor
        (N,), 0 or more, also where softmax(z)_y rounds to 1. Differentiable in z.
    """
    return F.softplus(margin(z, y))


def lead(z: Tensor, y: Tensor) -> Tensor:
    """The lead of the best wrong class, max over j != y of z_j - z_y.

    Parameters
    ----------
    z : Tensor
        (N, K), logits or log-probabilities.
    y : Tensor
        (N,) int64, the true classes, in [0, K).

    Returns
    -------
    Tensor
        (N,), positive where the network is wrong. Differentiable in z.
    """
    return _ahead(z, y).amax(1)


def _ahead(z: Tensor, y: Tensor) -> Tensor:
    """z_j - z_y, with -inf for j = y: (N, K)."""
    own = y.clone()[:, None]  # a copy: what autograd keeps must not come from inference mode
    return (z - z.gather(1, own)).scatter(1, own, -torch.inf)


def margin_at(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The `margin` of each image under a model, and the leaf with respect to which it can be differentiated.

    Parameters
    ----------
    model : nn.Module
        model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W), the images.
    y : Tensor
        (N,) int64, the true classes, in [0, K).

    Returns
    -------
    value : Tensor
        (N,), the margins.
    leaf : Tensor
        Like x, for `gradient(value, leaf)`.

    Raises
    ------
    ValueError
        When the model's answer or a label cannot be used, as `answers` says.
    """
    with torch.enable_grad():
        leaf = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
        return margin(answers(model, leaf, y), y), leaf


def check_stopping(model: nn.Module, x: Tensor, y: Tensor, *, confidence: float, iterations: int) -> None:
    """Refuse what an attack cannot work with that takes `iterations` steps, until a lead exceeds `confidence`."""
    checks.classified(model, x, y)
    checks.not_negative(confidence, "confidence", "a difference of logits")
    checks.whole(iterations, "iterations")
