"""LPIPS without learned weights, which Laidlaw, Singla and Feizi (2021) bound: every channel counts alike."""

from functools import cache

from fairlib.perceptual.distance import Distance
from fairlib.perceptual.networks import LPIPS, unweighted_alex

SMALLEST = 31  # pixels of the shortest side that AlexNet takes


def unweighted_lpips() -> Distance:
    """LPIPS on AlexNet with the weight 1 for every channel: the square of the distance of PPGD's and LPA's authors.

    Returns
    -------
    Distance
        On RGB images. Their bound epsilon on the root of it is ``bound=epsilon ** 2``.

    Raises
    ------
    ValueError
        For altered weights.
    FileNotFoundError
        For weights that are missing (`fairlib.weights.load`).

    Notes
    -----
    With the activations of layer l, of length 1 over the channels at each position, divided by sqrt(H_l W_l), all of
    them in one vector phi(x):

        d(x, x0) = ||phi(x) - phi(x0)||_2^2,

    which is LPIPS with w_lc = 1. AlexNet is torchvision's, trained on ImageNet, as in their evaluation on ImageNet.

    References
    ----------
    Laidlaw, Singla and Feizi (2021), Perceptual Adversarial Robustness: Defense Against Unseen Threat Models,
    section 3.
    """
    network = _network()
    return Distance("LPIPS-Alex without weights", SMALLEST, network.features, network.between)


@cache
def _network() -> LPIPS:
    """One network for all."""
    return unweighted_alex()
