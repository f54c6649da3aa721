"""One small interface to every perceptual distance: what is kept of the reference images, then a number per image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor

from fairlib import checks
from fairlib.perceptual import colour, networks, ssim

NAMES = ("SSIM", "MS-SSIM", "LPIPS-Alex", "LPIPS-VGG", "DISTS", "ST-LPIPS", "PieAPP", "CIEDE2000")


@dataclass(frozen=True)
class Distance:
    """A perceptual distance: 0 for two equal images, larger where they look less alike.

    Parameters
    ----------
    name : str
        What tables and messages call it.
    smallest : int
        Pixels of the shortest side that it accepts.
    features : callable
        ``features(x)`` is what it keeps of reference images (N, C, H, W): tensors that all have N first, so that
        ``tuple(f[keep] for f in features)`` drops images.
    between : callable
        ``between(features, x_adv)`` is one distance per image, (N,), differentiable in `x_adv` (N, C, H, W).

    Notes
    -----
    Calling it looks at the input, then does both. A loop that changes `x_adv` only asks for the features once.

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(0, 1, 256).view(1, 1, 16, 16)
    >>> distance("SSIM")(x, x)
    tensor([0.])
    """

    name: str
    smallest: int
    features: Callable[[Tensor], tuple[Tensor, ...]]
    between: Callable[[tuple[Tensor, ...], Tensor], Tensor]

    def __call__(self, x: Tensor, x_adv: Tensor) -> Tensor:
        """The distance of each image from its reference.

        Parameters
        ----------
        x, x_adv : Tensor
            Images (N, C, H, W) float32 in [0, 1], of one shape; of `x_adv` it is differentiable.

        Returns
        -------
        Tensor
            (N,) float32.

        Raises
        ------
        ValueError
            For images of another shape, dtype or range, or smaller than it accepts.
        """
        checks.pair(x, x_adv)
        return self.between(self.features(x), x_adv)


def check_distance(value: Distance, name: str) -> None:
    """Refuse what is no distance.

    Parameters
    ----------
    value : Distance
        What should be one.
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        For anything else.
    """
    checks.instance(value, Distance, name, "get one with fairlib.perceptual.distance(name)")


def distance(name: str, *, weights: Path | None = None) -> Distance:
    """The distance of a name, on images (N, C, H, W) float32 in [0, 1].

    Parameters
    ----------
    name : str
        One of `NAMES`:

        - ``SSIM``: 1 - SSIM (Wang et al. 2004), between 0 and 2.
        - ``MS-SSIM``: 1 - MS-SSIM (Wang et al. 2003), between 0 and 1.
        - ``LPIPS-Alex``, ``LPIPS-VGG``: version 0.1 (Zhang et al. 2018).
        - ``DISTS``: Ding et al. 2022.
        - ``ST-LPIPS``: LPIPS on an AlexNet that tolerates shifts (Ghildyal and Liu 2022).
        - ``PieAPP``: Prashnani et al. 2018. It may be negative, and equal images need not be at 0.
        - ``CIEDE2000``: the L2 norm of the pixels' colour differences, which Zhao et al. (2020) minimise.

        The first two take grey images (of colour ones the luminance is compared), the others RGB only.
    weights : Path, optional
        The file with the distance's weights, or a folder in which to look for it and for its network's first;
        `fairlib.weights.load` says where else they are looked for.

    Returns
    -------
    Distance
        The same one for the same arguments. Its network moves to where the images are.

    Raises
    ------
    ValueError
        For an unknown name, weights given to a formula, altered weights and, when it is used, images that it cannot
        take.
    FileNotFoundError
        For weights that are missing.

    References
    ----------
    The second paper, section 3.2: PieAPP is the cost of its attack, LPIPS and DISTS judge in its table 1.
    """
    checks.one_of(name, NAMES, "name")
    if weights is not None:
        weights = checks.path(weights, "weights")
        if name in _FORMULAS:
            raise ValueError(f"weights is {str(weights)!r}, expected None: {name} is a formula and has no weights")
    return _checked(name, weights)


@cache
def _checked(name: str, weights: Path | None) -> Distance:
    """The distance of a name, which looks at its reference images before it works with them."""
    plain = _plain(name, weights)
    channels = (1, 3) if name in ("SSIM", "MS-SSIM") else (3,)

    def features(x: Tensor) -> tuple[Tensor, ...]:
        checks.images(x)
        checks.channels(x, channels)
        checks.sides(x, plain.smallest, name)
        return plain.features(x)

    return Distance(name, plain.smallest, features, plain.between)


def _plain(name: str, weights: Path | None) -> Distance:
    """The distance of a name, in any floating-point precision."""
    if name in _FORMULAS:
        return _FORMULAS[name]
    smallest, build = _NETWORKS[name]
    network = build(weights)
    return Distance(name, smallest, network.features, network.between)


_FORMULAS = {
    "SSIM": Distance("SSIM", ssim.SMALLEST, ssim.ssim_features, ssim.ssim_distance),
    "MS-SSIM": Distance("MS-SSIM", ssim.MS_SMALLEST, ssim.ms_ssim_features, ssim.ms_ssim_distance),
    "CIEDE2000": Distance("CIEDE2000", 1, colour.lab_features, colour.colour_distance),
}
_NETWORKS = {  # the smallest side that each network takes, and what builds it
    "LPIPS-Alex": (31, networks.lpips_alex),
    "LPIPS-VGG": (16, networks.lpips_vgg),
    "DISTS": (17, networks.DISTS),  # the last pooling leaves two positions or more: enough for a variance
    "ST-LPIPS": (21, networks.st_lpips),
    "PieAPP": (64, networks.PieAPP),
}
