"""Thresholds and centroids fitted to labelled images instead of picked by hand (first paper, section 5: further work).

`distance` is (L, N, K), the distances of N images to one centroid per class at L taps, as
`CentroidDefense.distances(x)[:, :, 0]` gives them. The defence decides with its default semantics throughout.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checks, runtime
from fairlib.attacks import gradient
from fairlib.defenses.centroid import NOBODY
from fairlib.models import LayeredModel


def votes(distance: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Votes for each class (N, K) and for "nobody" (N,), int64: Algorithm 1 on distances (L, N, K), thresholds (K,)."""
    fair = distance <= alpha
    return fair.sum(0), (~fair.any(2)).sum(0)


def decide(distance: Tensor, alpha: Tensor) -> Tensor:
    """The class with the most votes, lowest index first, -1 where "nobody" has more: (L, N, K), (K,) -> (N,) int64."""
    tally, nobody = votes(distance, alpha)
    return tally.argmax(1).masked_fill(nobody > tally.amax(1), NOBODY)


def tune_alpha(distance: Tensor, y: Tensor, alpha: Tensor, *, grid: Sequence[float], sweeps: int = 20) -> Tensor:
    """Thresholds (K,) that raise the accuracy of `decide` on labelled distances, found one class after the other.

    Each class in turn takes the value of `grid` with the highest accuracy while the others keep theirs, and stays where
    it is unless that gains; until a whole sweep gains nothing, or after `sweeps`. So the result is never worse than
    `alpha` on these images, and no change of a single threshold along the grid betters it. distance (L, N, K), y (N,),
    grid in [0, 1]. Raises ValueError for labels that do not fit and for a grid that is empty or leaves [0, 1].
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
    steps: int = 200,
    lr: float = 0.03,
    batch_size: int = 200,
    seed: int = 0,
) -> Tensor:
    """Synthetic centroids (K, C, H, W) in [0, 1]: their pixels moved by gradient until the true class leads the tally.

    A vote has no gradient, so each one is softened to sigmoid((alpha_j - D) / temperature), and nobody's at a layer is
    what the classes leave over. The loss is the hinge on the soft tally's margin, the mean of max(0, 1 - T_y + best
    other T), on batches drawn from x (N, C, H, W), y (N,); Adam moves the pixels, which are clipped after each step.
    Starts at `centroids` (K, C, H, W); looks at the model's released taps. Raises ValueError for images or labels that
    do not fit, and for a gradient that is not finite.
    """
    checks.images(x, model.shape)
    checks.labels(y, len(x), model.classes)
    checks.images(centroids, model.shape, "centroids")
    checks.evaluating(model)
    with torch.no_grad():
        seen = [torch.cat(parts) for parts in zip(*(directions(model, b) for b in x.split(500)), strict=True)]
    pixels = centroids.clone().requires_grad_()
    optimiser = torch.optim.Adam([pixels], lr=lr)
    g = runtime.generator(seed)
    with torch.enable_grad():
        for _ in range(steps):
            batch = torch.randint(len(x), (batch_size,), generator=g)
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
    """At each released tap, vectors (N, features) whose products are the cosines that the defence takes, with gradient.

    On a map it is the mean over pixels of the cosine over channels, as in the released code.
    """
    taps = [
        (a.flatten(2) if a.ndim == 4 else a[:, :, None]) for name, a in model.layers(x) if name in model.released_taps
    ]
    return [(F.normalize(a, dim=1) / a.shape[2] ** 0.5).flatten(1) for a in taps]


def _hinge(distance: Tensor, y: Tensor, alpha: Tensor, temperature: float) -> Tensor:
    vote = torch.sigmoid((alpha - distance) / temperature)  # (L, N, K)
    tally = torch.cat([vote.sum(0), (1 - vote).prod(2).sum(0)[:, None]], dim=1)  # nobody last
    own = tally.gather(1, y[:, None])
    rival = tally.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True)
    return F.relu(1 - own + rival).mean()
