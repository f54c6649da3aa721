"""What else one can train for, to set worst-case training beside: balanced sampling, weights, focal loss, group DRO."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fairlib import checks, runtime
from fairlib.attacks import cross_entropy, margin
from fairlib.dro.descent import Diverged, check, device
from fairlib.dro.weighting import WeightedImages, sample

# `objective(z, y, chosen)`: what a step lowers, from the model's answers z (n, K) to a batch, its labels y (n,), and
# which of all images the batch holds (n,), on the CPU.
Objective = Callable[[Tensor, Tensor, Tensor], Tensor]


@torch.inference_mode(False)
def fine_tune(
    model: nn.Module,
    data: WeightedImages,
    *,
    objective: Objective,
    lr: float,
    generator: torch.Generator,
    rounds: int = 3,
    batch_size: int = 32,
) -> nn.Module:
    """Train a copy of a model on an objective, by as many steps as Algorithm 3 takes.

    Parameters
    ----------
    model : Module
        theta_0, any classifier in evaluation mode; model(x) logits or log-probabilities (N, K).
    data : WeightedImages
        M images with labels in [0, K - 1]; the weights are those of the sampling alone.
    objective : callable
        `objective(z, y, chosen)`, the number that each step lowers: `plain`, `focal`, `weighted` or `GroupDRO`, or
        your own. A copy of it is used, so that one with a state begins as it is given.
    lr : float
        The learning rate.
    generator : Generator
        Draws what is sampled, on the CPU.
    rounds : int
        How often M images are sampled.
    batch_size : int
        Images that make one step.

    Returns
    -------
    Module
        theta, in evaluation mode.

    Raises
    ------
    ValueError
        For bad input.
    Diverged
        (A ValueError.) Where the objective or the weights are no longer finite.

    Notes
    -----
    From theta = theta_0, rounds * M images are sampled in proportion to their weights, with replacement, and each batch
    makes one step theta <- theta - lr * grad objective. One CPU thread.
    """
    classes = check(model, data.x[:1], lr=lr, batch_size=batch_size, scaling="sampling only", rounds=rounds)
    checks.labels(data.y, len(data.x), classes)
    checks.generator(generator)
    theta, objective = copy.deepcopy(model), copy.deepcopy(objective)
    trained = [p for p in theta.parameters() if p.requires_grad]
    with runtime.threads(1):
        for k in runtime.progress(range(1, rounds + 1), "fine-tuning"):
            for chosen in sample(data.weights, len(data.x), generator).split(batch_size):
                x, y = (part[chosen].to(device(theta)) for part in (data.x, data.y))
                loss = objective(theta(x), y, chosen)
                with torch.no_grad():
                    for parameter, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
                        parameter.sub_(gradient, alpha=lr)
                    if not torch.isfinite(loss + sum(torch._foreach_norm(trained))):
                        raise Diverged(f"the objective is {loss.item()} in round {k}, or a weight is; lower lr ({lr})")
    return theta


def balancing_weights(groups: Tensor) -> Tensor:
    """Give weights by which every group is drawn equally often.

    Parameters
    ----------
    groups : Tensor
        (N,) int64 on the CPU, the number of each image's group, 0 or more.

    Returns
    -------
    Tensor
        (N,) float64 of mean 1: N / (G n_g) for an image of a group of n_g, G being the groups that have images.

    Raises
    ------
    ValueError
        For what are no such numbers.

    Examples
    --------
    >>> balancing_weights(torch.tensor([0, 0, 0, 1])).tolist()
    [0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 2.0]
    """
    n = _sizes(groups)
    return (len(groups) / ((n > 0).sum() * n.double()))[groups]


def plain(z: Tensor, y: Tensor, chosen: Tensor) -> Tensor:
    """The mean cross-entropy.

    Parameters
    ----------
    z : Tensor
        (n, K), logits or log-probabilities.
    y : Tensor
        (n,) int64, the true classes.
    chosen : Tensor
        Plays no part.

    Returns
    -------
    Tensor
        A number.
    """
    return cross_entropy(z, y).mean()


def focal(gamma: float = 2.0) -> Objective:
    """Give the focal loss, which counts less what the model is sure of.

    Parameters
    ----------
    gamma : float
        0 or more; 0 is the cross-entropy.

    Returns
    -------
    callable
        An objective.

    Raises
    ------
    ValueError
        For a gamma below 0.

    Notes
    -----
    The mean of (1 - p)^gamma * -log p over the batch, p being the chance that the model gives the true class. With the
    margin m, 1 - p = sigmoid(m): nothing is lost where p rounds to 1.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar, Focal loss for dense object detection, 2017: equation (4), without its alpha.
    """
    checks.not_negative(gamma, "gamma", "the power by which sure answers count less")

    def objective(z: Tensor, y: Tensor, chosen: Tensor) -> Tensor:
        unsure = (gamma * torch.nn.functional.logsigmoid(margin(z, y))).exp()
        return (unsure * cross_entropy(z, y)).mean()

    return objective


def weighted(weights: Tensor) -> Objective:
    """Give the cross-entropy in which each image has a weight.

    Parameters
    ----------
    weights : Tensor
        (N,), one for each image, positive; they are divided by their mean.

    Returns
    -------
    callable
        An objective: the mean of w_i * -log p_i over the batch.

    Raises
    ------
    ValueError
        For weights that are not positive and finite.
    """
    if weights.ndim != 1 or not len(weights) or not (torch.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"weights has shape {tuple(weights.shape)}, expected (N,) of positive, finite numbers")
    scaled = weights.cpu() / weights.cpu().mean()

    def objective(z: Tensor, y: Tensor, chosen: Tensor) -> Tensor:
        return (scaled[chosen].to(z) * cross_entropy(z, y)).mean()

    return objective


class GroupDRO:
    """The worst mixture of groups: those with the larger loss get the larger weight.

    Parameters
    ----------
    groups : Tensor
        (N,) int64, the group of each of all images, 0 or more.
    step_size : float
        eta of the groups' weights, 0 or more.

    Attributes
    ----------
    q : Tensor
        (G,) float64, the groups' weights, equal at first.

    Raises
    ------
    ValueError
        For groups that are no such numbers, and an eta below 0.

    Notes
    -----
    Called on a batch, with L_g the mean cross-entropy of its images of group g (0 where it has none): first
    q <- `group_step(q, L, eta)`, then the objective is sum_g q_g L_g, q held fixed. Sample the groups equally often
    (`balancing_weights`), as the reference does.

    References
    ----------
    Sagawa, Koh, Hashimoto and Liang, Distributionally robust neural networks for group shifts, 2020: algorithm 1, with
    a batch of all groups in place of one image of one group, as in its released code.
    """

    def __init__(self, groups: Tensor, step_size: float = 0.01) -> None:
        n = _sizes(groups)
        checks.not_negative(step_size, "step_size", "eta of the groups' weights")
        self.groups, self.step_size = groups.cpu(), step_size
        self.q = torch.full((len(n),), 1 / len(n), dtype=torch.float64)

    def __call__(self, z: Tensor, y: Tensor, chosen: Tensor) -> Tensor:
        """Move q, and give what the step lowers: a number, from z (n, K), y (n,) and chosen (n,)."""
        of = torch.nn.functional.one_hot(self.groups[chosen], len(self.q)).to(z)
        losses = cross_entropy(z, y) @ of / of.sum(0).clamp(min=1)
        self.q = group_step(self.q, losses.detach().cpu(), self.step_size)
        return losses @ self.q.to(losses)


def group_step(q: Tensor, losses: Tensor, step_size: float) -> Tensor:
    """Move the weights of groups towards those with the larger loss.

    Parameters
    ----------
    q : Tensor
        (G,), the weights, of sum 1.
    losses : Tensor
        (G,), the groups' losses.
    step_size : float
        eta, 0 or more.

    Returns
    -------
    Tensor
        (G,) float64, q_g exp(eta L_g), divided by their sum.

    Raises
    ------
    ValueError
        For lengths that differ, and an eta below 0.

    References
    ----------
    Sagawa et al. (2020), algorithm 1.

    Examples
    --------
    >>> group_step(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 3.0]), 1.0)[1].item().__round__(3)
    0.953
    """
    if q.shape != losses.shape or q.ndim != 1:
        raise ValueError(f"q has shape {tuple(q.shape)}, losses {tuple(losses.shape)}, expected (G,) of both")
    checks.not_negative(step_size, "step_size", "eta of the groups' weights")
    return torch.softmax(q.double().log() + step_size * losses.double(), 0)


def _sizes(groups: Tensor) -> Tensor:
    """How many images each group has (G,)."""
    if groups.dtype != torch.int64 or groups.ndim != 1 or not len(groups) or groups.min() < 0:
        raise ValueError(
            f"groups is {groups.dtype} of shape {tuple(groups.shape)}, expected (N,) int64 of numbers from 0"
        )
    return torch.bincount(groups.cpu())
