"""Interval bounds: what a network of linear layers can answer anywhere in a box of images (Gowal et al. 2018)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import checks
from fairlib.defenses.adversarial import descend
from fairlib.models import LayeredModel


class Box(NamedTuple):
    """All points between two tensors, coordinate by coordinate: `low` <= a <= `high`."""

    low: Tensor
    high: Tensor


def linears(model: nn.Module) -> tuple[nn.Linear, ...]:
    """Give the layers of a network that is linear layers with ReLU between them.

    Parameters
    ----------
    model : nn.Module
        Such as `fairlib.models.FullyConnected`, or an `nn.Sequential` of `Linear` and `ReLU` in turn. What follows the
        last layer may not change which answer is the largest.

    Returns
    -------
    tuple of nn.Linear
        In the order in which they are applied, which is taken to be that in which they were made.

    Raises
    ------
    ValueError
        For a network that has layers of other kinds, or layers that do not follow each other.
    """
    checks.evaluating(model)
    found = [layer for layer in model.children() if not isinstance(layer, nn.ReLU | nn.Flatten)]
    if not found or not all(isinstance(layer, nn.Linear) for layer in found):
        kinds = sorted({type(layer).__name__ for layer in found})
        raise ValueError(
            f"the network has {', '.join(kinds) or 'no layers'}, expected Linear only; interval bounds are for "
            "networks of linear layers with ReLU between them, such as fairlib.models.FullyConnected"
        )
    for one, next_one in pairwise(found):
        if one.out_features != next_one.in_features:
            raise ValueError(
                f"a layer with {one.out_features} outputs is followed by one with {next_one.in_features} inputs, "
                "expected as many; make the layers in the order in which they are applied"
            )
    return tuple(found)


def around(x: Tensor, eps: float) -> Box:
    """The images within eps of x in every pixel, and in [0, 1].

    Parameters
    ----------
    x : Tensor
        (N, C, H, W), float32 in [0, 1].
    eps : float
        In [0, 1].

    Returns
    -------
    Box
        Of two tensors like x.

    Raises
    ------
    ValueError
        For bad input.
    """
    checks.images(x)
    eps = checks.unit(eps, "eps")
    return Box((x - eps).clamp(0, 1), (x + eps).clamp(0, 1))


def interval_bounds(model: nn.Module, box: Box) -> list[Box]:
    """Bound each layer's outputs, before its ReLU, over all inputs of a box.

    Parameters
    ----------
    model : nn.Module
        As `linears` takes it, in evaluation mode.
    box : Box
        `low` and `high` (N, ...), which are flattened.

    Returns
    -------
    list of Box
        One a layer, (N, features). Differentiable in the weights.

    Raises
    ------
    ValueError
        For another network, or an upper end below the lower one.

    Notes
    -----
    With centre c = (high + low) / 2 and radius r = (high - low) / 2, a layer W a + b lies within |W| r of W c + b; then
    ReLU acts on both ends. Each coordinate of a layer is bounded exactly over the box of the layer before; that these
    coordinates move together is forgotten, so that the bounds widen from layer to layer. Up to rounding, nothing lies
    outside of them.

    References
    ----------
    Gowal et al. (2018), On the effectiveness of interval bound propagation for training verifiably robust models,
    section 3.2.
    """
    if box.low.shape != box.high.shape or not (box.low <= box.high).all():
        raise ValueError("the box has an upper end below its lower end, or of another shape; get one with `around`")
    found, inside = [], Box(box.low.flatten(1), box.high.flatten(1))
    for layer in linears(model):
        found.append(_through(layer.weight, layer.bias, inside))
        inside = Box(found[-1].low.relu(), found[-1].high.relu())
    return found


def _through(weight: Tensor, bias: Tensor | None, box: Box) -> Box:
    """The range of weight @ a + bias, coordinate by coordinate, for a in a box (N, in)."""
    centre = F.linear((box.high + box.low) / 2, weight, bias)
    radius = F.linear((box.high - box.low) / 2, weight.abs())
    return Box(centre - radius, centre + radius)


def interval_leads(model: nn.Module, box: Box) -> Tensor:
    """Bound by how much each class can lead another one, over all inputs of a box.

    Parameters
    ----------
    model : nn.Module
        As `linears` takes it, in evaluation mode.
    box : Box
        `low` and `high` (N, ...).

    Returns
    -------
    Tensor
        (N, K, K): at [i, j, k] at least the largest z_k - z_j in the box around image i, z being the last layer's
        outputs; 0 where j = k.

    Raises
    ------
    ValueError
        As `interval_bounds` does.

    Notes
    -----
    The last layer is taken together with the difference, W_k - W_j, which is tighter than a difference of bounds.

    References
    ----------
    Gowal et al. (2018), section 3.3 (elision of the last layer).
    """
    last = linears(model)[-1]
    *before, _ = interval_bounds(model, box)
    inside = Box(before[-1].low.relu(), before[-1].high.relu()) if before else Box(*(end.flatten(1) for end in box))
    classes = last.out_features
    weight = (last.weight[None] - last.weight[:, None]).flatten(0, 1)  # row j * K + k is W_k - W_j
    bias = None if last.bias is None else (last.bias[None] - last.bias[:, None]).flatten()
    return _through(weight, bias, inside).high.unflatten(1, (classes, classes))


def certified(model: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """Say for which images no attack within eps, L-infinity, makes the network err, by interval bounds.

    Parameters
    ----------
    model : nn.Module
        As `linears` takes it, in evaluation mode.
    x : Tensor
        (N, C, H, W), float32 in [0, 1].
    y : Tensor
        (N,) int64, the true classes.
    eps : float
        In [0, 1].

    Returns
    -------
    Tensor
        (N,) bool: True is a proof, up to rounding; False says nothing.

    Raises
    ------
    ValueError
        For bad input.
    """
    with torch.no_grad():
        leads = interval_leads(model, around(x, eps))
    checks.labels(y, len(x), leads.shape[1])
    against = leads[torch.arange(len(x), device=x.device), y]
    return (against.scatter(1, y[:, None], -torch.inf) < 0).all(1)


def interval_training(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    epochs: int,
    generator: torch.Generator,
    ramp: Sequence[float] = (0.1, 0.6),
    worst: float = 0.5,
    lr: float = 0.05,
    momentum: float = 0.9,
    batch_size: int = 100,
) -> list[float]:
    """Train a network in place so that its interval bounds are tight; it is in evaluation mode, before and after.

    Parameters
    ----------
    model : LayeredModel
        As `linears` takes it; its model(x) are log-probabilities (N, K).
    x : Tensor
        Images (N, C, H, W) of the model's shape, float32 in [0, 1].
    y : Tensor
        Labels (N,), int64 in [0, K - 1].
    eps : float
        In [0, 1], what is trained for in the end.
    epochs : int
        How many.
    generator : Generator
        Draws the order of the images.
    ramp : sequence of float
        Between which shares of the steps eps grows evenly from 0, and the weight of the bounds from 0 to `worst`.
    worst : float
        The weight of the bounds' loss at the end, in (0, 1).
    lr, momentum, batch_size
        As in `adversarial_training`.

    Returns
    -------
    list of float
        The mean loss of each epoch.

    Raises
    ------
    ValueError
        For bad input, and a loss that is no longer finite.

    Notes
    -----
    The loss is (1 - k) J(z, y) + k J(z_worst, y), J the cross-entropy, z_worst with z_k - z_y at its upper bound for
    each k (`interval_leads`). The gradient's norm is left as it is; eps and k grow as `ramp` says.

    References
    ----------
    Gowal et al. (2018), sections 3.3 and 4.
    """
    eps = checks.unit(eps, "eps")
    checks.share(worst, "worst")
    checks.several(ramp, "ramp")
    if len(ramp) != 2 or not 0 <= ramp[0] < ramp[1] <= 1:
        raise ValueError(f"ramp is {tuple(ramp)}, expected two rising shares of the training, such as (0.1, 0.6)")
    linears(model)

    def loss(model: LayeredModel, x: Tensor, y: Tensor, done: float) -> Tensor:
        grown = min(max((done - ramp[0]) / (ramp[1] - ramp[0]), 0.0), 1.0)
        leads = interval_leads(model, around(x, grown * eps))[torch.arange(len(x), device=x.device), y]
        bounds = F.cross_entropy(leads.scatter(1, y[:, None], 0.0), y)
        return (1 - grown * worst) * F.nll_loss(model(x), y) + grown * worst * bounds

    return descend(
        model, x, y, loss, epochs=epochs, generator=generator, lr=lr, momentum=momentum, batch_size=batch_size
    )
