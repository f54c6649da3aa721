"""The root of a perceptual distance that grows like a square, whose slope does not vanish near the image."""

from torch import Tensor

from fairlib.perceptual.distance import Distance, check_distance
from fairlib.perceptual.powers import root


def rooted(distance: Distance) -> Distance:
    """Take the square root of a distance.

    Parameters
    ----------
    distance : Distance
        One that is never negative, best one that grows like the square of a small change: LPIPS, DISTS, 1 - SSIM.

    Returns
    -------
    Distance
        On the same images. At the reference itself, where a root of a square is the tip of a cone, its gradient is 0.

    Raises
    ------
    ValueError
        For what is no distance.

    Notes
    -----
    With D about |J d|^2 for a small change d, grad D is about 2 J'J d and vanishes with d; grad sqrt(D) is about
    J'J d / |J d|, as large near the image as far from it. Of `unweighted_lpips` it is the norm that Laidlaw et al.
    bound.
    """
    check_distance(distance, "distance")

    def between(features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        return root(distance.between(features, x_adv))

    return Distance(f"root of {distance.name}", distance.smallest, distance.features, between)
