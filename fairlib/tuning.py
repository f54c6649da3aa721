"""Thresholds and centroids fitted to labelled images instead of picked by hand (first paper, section 5)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checks, runtime
from fairlib.attacks import gradient
from fairlib.defenses import NOBODY
from fairlib.models import LayeredModel


def votes(distance: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Count the votes of the centroid defence, with its default rules, from distances.

    Parameters
    ----------
    distance : Tensor
        D (L, N, K) of N images to one centroid per class at L taps, as `CentroidDefense.distances(x)[:, :, 0]`.
    alpha : Tensor
        Thresholds (K,).

    Returns
    -------
    tally : Tensor
        T (N, K), int64: for how many taps D <= alpha_j.
    nobody : Tensor
        (N,), int64: for how many taps that holds for no class.
    """
    fair = distance <= alpha
    return fair.sum(0), (~fair.any(2)).sum(0)


def decide(distance: Tensor, alpha: Tensor) -> Tensor:
    """Classify images as the centroid defence does, with its default rules, from distances.

    Parameters
    ----------
    distance : Tensor
        D (L, N, K), as in `votes`.
    alpha : Tensor
        Thresholds (K,).

    Returns
    -------
    Tensor
        The class with the most votes, the lowest index among equals, -1 where "nobody" has more: (N,), int64.
    """
    tally, nobody = votes(distance, alpha)
    return tally.argmax(1).masked_fill(nobody > tally.amax(1), NOBODY)


def tune_alpha(distance: Tensor, y: Tensor, alpha: Tensor, *, grid: Sequence[float], sweeps: int = 20) -> Tensor:
    """Fit thresholds to labelled distances, one class after the other.

    Parameters
    ----------
    distance : Tensor
        D (L, N, K), as in `votes`.
    y : Tensor
        True labels (N,), int64.
    alpha : Tensor
        Thresholds (K,) to start from.
    grid : sequence of float
        What a threshold may become, in [0, 1].
    sweeps : int
        At most so many rounds over the classes.

    Returns
    -------
    Tensor
        Thresholds (K,), never worse than `alpha` on these images.

    Raises
    ------
    ValueError
        For labels that do not fit and for a grid that is empty or leaves [0, 1].

    Notes
    -----
    Coordinate ascent on the accuracy of `decide`: each class in turn takes the value of the grid with the highest
    accuracy while the others keep theirs, and stays where it is unless that gains; until a whole sweep gains nothing.
    Then no change of a single threshold along the grid betters the result.
    """
    _, _, classes = distance.shape
    checks.labels(y, distance.shape[1], classes)
    if not len(grid):
        raise ValueError("grid is empty, expected at least one threshold in [0, 1]")
    grid = torch.tensor([checks.unit(g, "a threshold of grid") for g in grid], device=distance.device)
    alpha = alpha.to(distance.device, copy=True)
    for _ in range(sweeps):
        before = alpha.clone()
        for j in range(classes):
            candidates = torch.cat([alpha[j : j + 1], grid])
            alpha[j] = candidates[_right(distance, y, alpha, j, candidates).argmax()]
        if torch.equal(alpha, before):
            break
    return alpha


def _right(distance: Tensor, y: Tensor, alpha: Tensor, j: int, candidates: Tensor) -> Tensor:
    """How many images come out right for each candidate (G,) of class j's threshold."""
    fair = distance <= alpha
    fair[:, :, j] = False
    tally = fair.sum(0)
    tally[:, j] = -1
    rival = tally.argmax(1)
    best = tally.amax(1)
    own = distance[:, :, j] <= candidates[:, None, None]  # (G, L, N)
    nobody = (~(own | fair.any(2))).sum(1)
    own = own.sum(1)
    predicted = torch.where((own > best) | ((own == best) & (j < rival)), j, rival)
    return ((predicted == y) & (nobody <= torch.maximum(own, best))).sum(1)


@torch.inference_mode(False)
def tune_centroids(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    centroids: Tensor,
    alpha: Tensor,
    *,
    temperature: float = 0.05,
    iterations: int = 200,
    lr: float = 0.03,
    batch_size: int = 200,
    seed: int = 0,
) -> Tensor:
    """Fit synthetic centroids: move their pixels by gradient until the true class leads the tally.

    Parameters
    ----------
    model : LayeredModel
        In evaluation mode; its released taps are compared.
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].
    y : Tensor
        True labels (N,), int64.
    centroids : Tensor
        Where to start (K, C, H, W), float32 in [0, 1].
    alpha : Tensor
        Thresholds (K,).
    temperature : float
        t, of the soft votes.
    iterations : int
        Steps of Adam.
    lr : float
        Its learning rate.
    batch_size : int
        Images drawn for a step, with replacement.
    seed : int
        Of what is drawn.

    Returns
    -------
    Tensor
        Centroids (K, C, H, W), float32 in [0, 1].

    Raises
    ------
    ValueError
        For images or labels that do not fit, and for a gradient that is not finite.

    Notes
    -----
    A vote has no gradient, so each one is softened to v_ij = sigmoid((alpha_j - D_ij) / t), D_ij as in
    `CentroidDefense`, and nobody's at a layer is what the classes leave over. Minimised is the hinge on the margin of
    the soft tally, the mean over the batch of

        max(0, 1 - T_y + max over j != y of T_j),    T_j = sum_i v_ij,    T_nobody = sum_i prod_j (1 - v_ij),

    j over the classes and nobody. Pixels are clipped to [0, 1] after each step.
    """
    checks.evaluating(model)
    checks.instance(model, LayeredModel, "the model", "write yours as one: its layers are what is compared")
    checks.images(x, model.shape)
    checks.labels(y, len(x), model.classes)
    checks.images(centroids, model.shape, "centroids")
    checks.whole(iterations, "iterations")
    with torch.no_grad():
        seen = [torch.cat(parts) for parts in zip(*(directions(model, b) for b in x.split(500)), strict=True)]
    pixels = centroids.clone().requires_grad_()
    optimiser = torch.optim.Adam([pixels], lr=lr)
    generator = runtime.generator(seed)
    with torch.enable_grad():
        for _ in range(iterations):
            batch = torch.randint(len(x), (batch_size,), generator=generator)
            cosine = [a[batch] @ k.T for a, k in zip(seen, directions(model, pixels), strict=True)]
            loss = _hinge((1 - torch.stack(cosine)) / 2, y[batch], alpha.to(x.device), temperature)
            pixels.grad = gradient(loss, pixels)
            if not pixels.grad.isfinite().all():
                raise ValueError(
                    f"the gradient of the centroids is not finite; raise temperature ({temperature}) or lower lr ({lr})"
                )
            optimiser.step()
            pixels.data.clamp_(0, 1)
    return pixels.detach()


def directions(model: LayeredModel, x: Tensor) -> list[Tensor]:
    """Give the vectors whose products are the cosines that the centroid defence takes.

    Parameters
    ----------
    model : LayeredModel
        Its released taps are compared.
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].

    Returns
    -------
    list of Tensor
        (N, features) at each tap, differentiable in x. On a map the product is the mean over pixels of the cosine over
        channels, as in the released code.
    """
    vectors = []
    for name, activation in model.layers(x):
        if name in model.released_taps:
            pixels = activation.flatten(2) if activation.ndim == 4 else activation[:, :, None]
            vectors.append((F.normalize(pixels, dim=1) / pixels.shape[2] ** 0.5).flatten(1))
    return vectors


def _hinge(distance: Tensor, y: Tensor, alpha: Tensor, temperature: float) -> Tensor:
    """The loss of `tune_centroids` on distances (L, N, K)."""
    vote = torch.sigmoid((alpha - distance) / temperature)  # (L, N, K)
    tally = torch.cat([vote.sum(0), (1 - vote).prod(2).sum(0)[:, None]], dim=1)  # nobody last
    own = tally.gather(1, y[:, None])
    rival = tally.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True)
    return F.relu(1 - own + rival).mean()
