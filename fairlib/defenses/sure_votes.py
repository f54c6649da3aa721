"""Which votes of the centroid defence no attack can change, by interval bounds."""

import torch
from torch import Tensor

from fairlib import checks
from fairlib.defenses.centroid import CentroidDefense
from fairlib.defenses.interval import Box, around, interval_bounds, interval_leads, linears


def distance_bounds(defense: CentroidDefense, x: Tensor, *, eps: float) -> Box:
    """Bound the defence's distances over all images within eps of each image.

    Parameters
    ----------
    defense : CentroidDefense
        On a network as `linears` takes it, with one set of centroids and the taps `released`: the layers before their
        ReLU, and the log-probabilities.
    x : Tensor
        (N, C, H, W), float32 in [0, 1].
    eps : float
        L-infinity budget, in [0, 1].

    Returns
    -------
    Box
        Of two tensors (L, N, K).

    Raises
    ------
    ValueError
        For another network or other taps.

    Notes
    -----
    At a layer whose activations a lie in a box with centre c and radius r, two bounds hold for the cosine with a
    centroid's direction u: its numerator lies within |u| r of u c, its denominator between the least and the largest
    norm in the box; and a lies within |r| of c, so that the angle to u differs from that of c by at most
    arcsin(|r| / |c|) where |r| < |c|. The tighter end of both is taken. The log-probabilities' box comes from
    `interval_leads`: log p_j = -log sum over k of exp(z_k - z_j).
    """
    checks.instance(defense, CentroidDefense, "defense", "get one with fairlib.defenses.CentroidDefense(model, ...)")
    layers = linears(defense.model)
    if defense.n_sets > 1 or defense.taps != defense.model.released_taps or len(defense.taps) != len(layers):
        raise ValueError(
            f"the defence compares {defense.taps} with {defense.n_sets} sets of centroids; expected one set and the "
            "taps 'released' of a network of linear layers"
        )
    with torch.no_grad():
        box = around(x, eps)
        boxes = interval_bounds(defense.model, box)[:-1]
        leads = interval_leads(defense.model, box)  # (N, j, k), at least z_k - z_j
        boxes.append(Box(-leads.logsumexp(2), -(-leads.transpose(1, 2)).logsumexp(2)))
        cosines = [_cosines(box, defense.directions[tap]) for tap, box in zip(defense.taps, boxes, strict=True)]
    return Box(*(torch.stack([(1 - cosine[end]) / 2 for cosine in cosines]) for end in (1, 0)))


def _cosines(box: Box, directions: Tensor) -> Box:
    """The range of the cosines of a box (N, features) with unit vectors (K, features): (N, K)."""
    low, high, u = (part.double() for part in (*box, directions))
    centre, radius = (high + low) / 2, (high - low) / 2
    dot, give = centre @ u.T, radius @ u.abs().T
    least = torch.where((low <= 0) & (high >= 0), 0, torch.minimum(low.abs(), high.abs())).norm(dim=1, keepdim=True)
    most = torch.maximum(low.abs(), high.abs()).norm(dim=1, keepdim=True)
    lowest = _ratio(dot - give, least, most)
    highest = -_ratio(-dot - give, least, most)
    length = centre.norm(dim=1, keepdim=True).clamp_min(1e-300)
    angle = (dot / length).clamp(-1, 1).acos()
    turn = torch.where(
        radius.norm(dim=1, keepdim=True) < length, (radius.norm(dim=1, keepdim=True) / length).clamp(0, 1).asin(), 4.0
    )
    return Box(
        torch.maximum(lowest, (angle + turn).clamp_max(torch.pi).cos()),
        torch.minimum(highest, (angle - turn).clamp_min(0).cos()),
    )


def _ratio(numerator: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """A lower bound of n / |a|, at least -1, where n is at least `numerator` and |a| between `least` and `most`."""
    return (numerator / torch.where(numerator < 0, least, most).clamp_min(1e-300)).clamp(-1, 1)


def certified_votes(defense: CentroidDefense, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """Say for which images no attack within eps, L-infinity, makes the centroid defence err, by interval bounds.

    Parameters
    ----------
    defense : CentroidDefense
        As `distance_bounds` takes it, with ties="lowest".
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
        For bad input, and for another rule for ties.

    Notes
    -----
    A vote is sure where the upper bound of its distance is within the threshold, and possible where the lower bound is.
    The true class wins for sure where its sure votes are as many as the possible ones of each class above it and of
    nobody, and more than those of each class below it. Nobody can have a layer where no class's vote is sure.
    """
    low, high = distance_bounds(defense, x, eps=eps)
    checks.labels(y, len(x), defense.classes)
    if defense.ties != "lowest":
        raise ValueError(f"the defence has ties={defense.ties!r}, expected 'lowest', the rule that is bounded here")
    alpha, weights = defense.alpha.double(), defense.weights.double()
    sure, possible = (d < alpha if defense.strict else d <= alpha for d in (high, low))
    least = torch.einsum("l,lnk->nk", weights, sure.double())
    most = torch.einsum("l,lnk->nk", weights, possible.double())
    own = least.gather(1, y[:, None])
    below = torch.arange(defense.classes, device=x.device) < y[:, None]
    wins = torch.where(below, own > most, own >= most).scatter(1, y[:, None], True).all(1)
    nobody = weights @ (~sure.any(2)).double()
    return wins & (own[:, 0] >= nobody) if defense.nobody else wins
