"""Several sets of centroids at once, as the first paper's released code treats them."""

import torch
from torch import Tensor


def released_sets(distance: Tensor, alpha: Tensor, strict: bool) -> Tensor:
    """Say which classes are fair at each tap, by our reading of the released loop over the sets.

    Parameters
    ----------
    distance : Tensor
        (L, N, S, K) in [0, 1]: taps, images, sets, classes.
    alpha : Tensor
        Thresholds (K,).
    strict : bool
        Whether a distance must lie below its threshold, not at it.

    Returns
    -------
    Tensor
        (L, N, K), bool.

    Notes
    -----
    One list a layer is turned into distances and filtered once for every set. From the second set on it holds the class
    indices that survived, followed by the new set's similarities; the indices are taken for similarities, so that
    (1 - index) / 2 passes any threshold from index 1 on, and what passes is named by its place in the list. Places that
    stand for no class are dropped.

    References
    ----------
    First paper, released notebooks.
    """
    taps, n, n_sets, classes = distance.shape
    places = torch.arange(classes, device=distance.device)
    fair = torch.zeros(taps, n, classes, dtype=torch.bool, device=distance.device)
    for s in range(n_sets):
        survivors = fair.sum(-1, keepdim=True)
        place = (fair.cumsum(-1) - 1).masked_fill(~fair, classes)  # of each survivor in the list
        values = torch.full((taps, n, classes + 1), torch.inf, device=distance.device)
        values.scatter_(-1, place, ((1 - places.float()) / 2).expand(taps, n, classes))
        own = places - survivors  # where the new set's similarities continue the list
        values = torch.where(own >= 0, distance[:, :, s].gather(-1, own.clamp_min(0)), values[..., :classes])
        fair = values < alpha if strict else values <= alpha
    return fair
