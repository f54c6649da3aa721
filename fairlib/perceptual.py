"""How different two images look: SSIM, LPIPS, DISTS, PieAPP, CIEDE2000 and their kin behind one small interface.

Networks that only pyiqa has come from there, the others from torchvision (pyiqa's own LPIPS and DISTS fetch 600 MB
before they look at what is there). Importing pyiqa takes seconds, so it waits until it is needed.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from fairlib import checks, weights

Features = tuple[Tensor, ...]
# In a notebook pyiqa's imports complain that they could show no progress bar. They have none to show.
warnings.filterwarnings("ignore", message="IProgress not found")


@dataclass(frozen=True)
class Distance:
    """A perceptual distance: 0 for two equal images, larger where they look less alike.

    `features(x)` are the reference images' (N, C, H, W); each has N first, so `tuple(f[keep] for f in features)` drops
    images. `between(features, x_adv)` -> (N,), one distance per image, differentiable in x_adv. Neither accepts a side
    below `smallest` pixels. Calling the distance is both, after a look at the input.
    """

    name: str
    smallest: int
    features: Callable[[Tensor], Features]
    between: Callable[[Features, Tensor], Tensor]

    def __call__(self, x: Tensor, x_adv: Tensor) -> Tensor:
        """x, x_adv (N, C, H, W) float32 in [0, 1] -> (N,). Raises ValueError for anything else, and for other sizes."""
        checks.pair(x, x_adv)
        return self.between(self.features(x), x_adv)


def known(value: Distance, name: str) -> None:
    """Refuse what is no distance."""
    checks.instance(value, Distance, name, "get one with fairlib.perceptual.distance(name)")


def distance(name: str, *, weights: Path | None = None) -> Distance:
    """The distance `name`, one of `NAMES`, on float32 images (N, C, H, W) in [0, 1].

    - SSIM: 1 - SSIM (Wang et al. 2004); of a colour image, the luminance is compared. Between 0 and 2.
    - MS-SSIM: 1 - MS-SSIM (Wang et al. 2003), of the luminance, too. Like pyiqa's, it pads odd sides with zeros and
      takes negative structure to be 0. Between 0 and 1.
    - LPIPS-Alex, LPIPS-VGG: version 0.1 (Zhang et al. 2018). ST-LPIPS: on AlexNet (Ghildyal and Liu 2022).
    - DISTS: Ding et al. 2022.
    - PieAPP: Prashnani et al. 2018, with pyiqa's one grid of patches (64 pixels wide, 27 apart). It may be negative,
      and equal images need not be at 0.
    - CIEDE2000: the L2 norm over the pixels of their colour differences, the distance that Zhao et al. (2020) minimise.

    All but the first two take RGB images only. `weights` is the file with the distance's weights, or a folder in which
    to look for it and its network's first; `fairlib.weights.load` says where else they are looked for. The network
    moves to where the images are. A distance is built once. Raises ValueError for an unknown name, for weights given to
    a formula and, when it is used, for images that it cannot take; FileNotFoundError and ValueError for weights that
    are missing or altered.
    """
    checks.one_of(name, NAMES, "name")
    if weights is not None:
        weights = checks.path(weights, "weights")
        if name in FORMULAS:
            raise ValueError(f"weights is {str(weights)!r}, expected None: {name} is a formula and has no weights")
    return _built(name, weights)


@cache
def _built(name: str, weights: Path | None) -> Distance:
    plain = _BUILDERS[name](weights)
    channels = (1, 3) if name in ("SSIM", "MS-SSIM") else (3,)

    def features(x: Tensor) -> Features:
        checks.images(x)
        checks.channels(x, channels)
        checks.sides(x, plain.smallest, name)
        return plain.features(x)

    return replace(plain, features=features)


_WINDOW = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()


def _ssim(_: Path | None) -> Distance:
    def between(reference: Features, x_adv: Tensor) -> Tensor:
        luminance, structure = _similarities(reference, _moments(_luminance(x_adv)))
        return (1 - (luminance * structure).mean((1, 2, 3))).to(x_adv)

    return Distance("SSIM", len(_WINDOW), lambda x: _moments(_luminance(x)), between)


def _ms_ssim(_: Path | None) -> Distance:
    exponents = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

    def features(x: Tensor) -> Features:
        scale = _luminance(x)
        found = _moments(scale)
        for _ in exponents[1:]:
            scale = F.avg_pool2d(scale, 2, padding=[side % 2 for side in scale.shape[2:]])
            found += _moments(scale)
        return found

    def between(reference: Features, x_adv: Tensor) -> Tensor:
        other, similarity = features(x_adv), 1
        for k, exponent in enumerate(exponents):
            luminance, structure = _similarities(reference[3 * k : 3 * k + 3], other[3 * k : 3 * k + 3])
            structure = structure.relu()
            last = k == len(exponents) - 1
            mean = (luminance * structure if last else structure).mean((1, 2, 3))
            similarity = similarity * _power(mean, exponent)
        return (1 - similarity).to(x_adv)

    # Halved four times, rounded up, the image still holds a window.
    return Distance("MS-SSIM", 161, features, between)


def _luminance(x: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) -> (N, 1, H, W), in double precision: the variances below are differences of large numbers."""
    x = x.double()
    return x if x.shape[1] == 1 else x[:, :1] * 0.299 + x[:, 1:2] * 0.587 + x[:, 2:] * 0.114


def _moments(x: Tensor) -> Features:
    """x (N, 1, H, W), and its mean and its variance in each window."""
    m = _mean(x)
    return x, m, _mean(x.square()) - m.square()


def _similarities(reference: Features, other: Features) -> tuple[Tensor, Tensor]:
    """The luminance term and the structure term of SSIM in each window, from the moments of two images."""
    (x, mx, vx), (y, my, vy) = reference, other
    c1, c2 = 0.01**2, 0.03**2
    covariance = _mean(x * y) - mx * my
    return (2 * mx * my + c1) / (mx.square() + my.square() + c1), (2 * covariance + c2) / (vx + vy + c2)


def _mean(x: Tensor) -> Tensor:
    w = _WINDOW.to(x.device)
    return F.conv2d(F.conv2d(x, w.view(1, 1, -1, 1)), w.view(1, 1, 1, -1))


class _Layers(nn.Sequential):
    """Layers, one after the other, whose output is the activations of some of them."""

    def __init__(self, layers: Iterable[nn.Module], taps: tuple[int, ...]) -> None:
        super().__init__(*layers)
        self.taps = taps

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        for i, layer in enumerate(self):
            x = layer(x)
            if i in self.taps:
                yield x


def _alexnet(given: Path | None) -> _Layers:
    layers = _torchvision("alexnet", "alexnet-owt-7be5be79.pth", given)
    return _Layers(layers[:12], (1, 4, 7, 9, 11))  # the five ReLUs


def _vgg16(given: Path | None) -> _Layers:
    layers = _torchvision("vgg16", "vgg16-397923af.pth", given)
    return _Layers(layers[:30], (3, 8, 15, 22, 29))  # the last ReLU of each block


def _torchvision(name: str, file: str, given: Path | None) -> nn.Sequential:
    """The convolutional part of a torchvision network; of `given`, only a folder can hold its weights."""
    from torchvision import models

    state = weights.load(file, given if given and Path(given).is_dir() else None)
    with torch.device("meta"):
        layers = getattr(models, name)(weights=None).features
    layers.load_state_dict(
        {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")},
        assign=True,
    )
    return layers


def _lpips_alex(given: Path | None) -> Distance:
    return _lpips("LPIPS-Alex", 31, _alexnet(given), weights.load("LPIPS_v0.1_alex-df73285e.pth", given))


def _lpips_vgg(given: Path | None) -> Distance:
    return _lpips("LPIPS-VGG", 16, _vgg16(given), weights.load("LPIPS_v0.1_vgg-a78928a0.pth", given))


def _st_lpips(given: Path | None) -> Distance:
    from pyiqa.archs.stlpips_arch import alexnet

    state = weights.load("alex_shift_tolerant.pth", given)
    with torch.device("meta"):
        network = alexnet()
    network.load_state_dict({k[4:]: v for k, v in state.items() if k.startswith("net.")}, assign=True)
    return _lpips("ST-LPIPS", 21, network, state)


def _lpips(name: str, smallest: int, network: nn.Module, state: dict[str, Tensor]) -> Distance:
    """The weighted squared differences of unit vectors of channels: their mean over positions, summed over layers."""
    network.eval().requires_grad_(False)
    heads = [state[f"lin{k}.model.1.weight"] for k in range(5)]

    def features(x: Tensor) -> Features:
        return tuple(F.normalize(a, dim=1, eps=1e-10) for a in network.to(x)(_normalised(x)))

    def between(reference: Features, x_adv: Tensor) -> Tensor:
        layers = zip(reference, features(x_adv), heads, strict=True)
        return sum(F.conv2d((f - g).square(), w.to(g)).mean((1, 2, 3)) for f, g, w in layers)

    return Distance(name, smallest, features, between)


def _dists(given: Path | None) -> Distance:
    from pyiqa.archs.dists_arch import L2pooling

    vgg16 = _vgg16(given)
    pools = {4: 64, 9: 128, 16: 256, 23: 512}  # where VGG16 takes maxima of so many channels, DISTS takes L2 norms
    layers = [L2pooling(channels=pools[i]) if i in pools else layer for i, layer in enumerate(vgg16)]
    network = _Layers(layers, vgg16.taps).eval().requires_grad_(False)
    state = weights.load("DISTS_weights-f5e65c96.pth", given)
    total = state["alpha"].sum() + state["beta"].sum()
    alphas, betas = ((state[k] / total).split([3, 64, 128, 256, 512, 512], dim=1) for k in ("alpha", "beta"))
    tiny = 1e-6

    def moments(x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for a in (x, *network.to(x)(_normalised(x))):
            m = a.mean((2, 3), keepdim=True)
            yield m, (a - m).square().mean((2, 3), keepdim=True), a - m

    def between(reference: Features, x_adv: Tensor) -> Tensor:
        stages = zip(reference[::3], reference[1::3], reference[2::3], moments(x_adv), alphas, betas, strict=True)
        similarity = 0
        for mx, vx, x, (my, vy, y), alpha, beta in stages:
            texture = (2 * mx * my + tiny) / (mx**2 + my**2 + tiny)
            structure = (2 * (x * y).mean((2, 3), keepdim=True) + tiny) / (vx + vy + tiny)
            similarity = similarity + (alpha.to(y) * texture + beta.to(y) * structure).sum((1, 2, 3))
        return 1 - similarity

    # The last of the four poolings, which round up, leaves two positions or more: enough for a variance.
    return Distance("DISTS", 17, lambda x: tuple(t for stage in moments(x) for t in stage), between)


def _pieapp(given: Path | None) -> Distance:
    from pyiqa.archs.func_util import extract_2d_patches
    from pyiqa.archs.pieapp_arch import PieAPP

    with torch.device("meta"):
        network = PieAPP(pretrained=False)
    network.load_state_dict(weights.load("PieAPPv0.1-0937b014.pth", given), assign=True)
    network.eval().requires_grad_(False)
    side = network.patch_size

    def features(x: Tensor) -> Features:
        patches = extract_2d_patches(network.to(x).preprocess(x), side, network.stride, padding="none")
        fine, coarse = network.compute_features(patches.flatten(0, 1))
        return fine.unflatten(0, patches.shape[:2]), coarse.unflatten(0, patches.shape[:2])

    def between(reference: Features, x_adv: Tensor) -> Tensor:
        fine, coarse = (f - g for f, g in zip(reference, features(x_adv), strict=True))
        score = network.ref_score_subtract(0.01 * network.fc2_score(network.fc1_score(fine).relu()))
        weight = network.fc2_weight(network.fc1_weight(coarse).relu()) + 1e-6
        return (weight * score).sum((1, 2)) / weight.sum((1, 2))

    return Distance("PieAPP", side, features, between)


def _ciede2000(_: Path | None) -> Distance:
    def between(reference: Features, x_adv: Tensor) -> Tensor:
        return torch.linalg.vector_norm(delta_e(*reference, rgb_to_lab(x_adv)), dim=(1, 2))

    return Distance("CIEDE2000", 1, lambda x: (rgb_to_lab(x),), between)


def _normalised(x: Tensor) -> Tensor:
    """Pixels with ImageNet's mean and deviation taken out, which is what LPIPS's own scaling comes to."""
    return normalize(x, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


_BUILDERS: dict[str, Callable[[Path | None], Distance]] = {
    "SSIM": _ssim,
    "MS-SSIM": _ms_ssim,
    "LPIPS-Alex": _lpips_alex,
    "LPIPS-VGG": _lpips_vgg,
    "DISTS": _dists,
    "ST-LPIPS": _st_lpips,
    "PieAPP": _pieapp,
    "CIEDE2000": _ciede2000,
}
NAMES = tuple(_BUILDERS)
FORMULAS = ("SSIM", "MS-SSIM", "CIEDE2000")


def rgb_to_lab(x: Tensor) -> Tensor:
    """sRGB pixels (N, 3, H, W) in [0, 1] -> CIELAB (N, 3, H, W) under illuminant D65: L* in [0, 100], a*, b*.

    In any floating-point precision. Raises ValueError for another dtype or shape; the range is not looked at.
    """
    checks.channels(x, (3,))
    from pyiqa.utils.color_util import rgb2xyz, xyz2lab

    return xyz2lab(rgb2xyz(x), illuminant="D65")


def ciede2000(x: Tensor, x_adv: Tensor) -> Tensor:
    """The CIEDE2000 colour difference of each pixel: x, x_adv (N, 3, H, W) in [0, 1] -> (N, H, W), 0 or more.

    Differentiable in both; where the colours are equal, the gradient is 0. About 1 is a just noticeable difference.
    Raises ValueError for input of another shape, dtype or range.
    """
    checks.pair(x, x_adv)
    return delta_e(rgb_to_lab(x), rgb_to_lab(x_adv))


def delta_e(lab: Tensor, lab_adv: Tensor) -> Tensor:
    """CIEDE2000 of two CIELAB images (N, 3, H, W), with k_L = k_C = k_H = 1 -> (N, H, W).

    Sharma, Wu and Dalal 2005, equations 2 to 22. The hue of a grey is 0, and so is that hue's gradient.
    """
    (l1, a1, b1), (l2, a2, b2) = lab.unbind(1), lab_adv.unbind(1)
    g = 0.5 * (1 - _saturation((_length(a1, b1) + _length(a2, b2)) / 2))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)
    dh = h2 - h1
    far = (dh.abs() > math.pi).to(dh)  # then the shorter way round is the other one
    dh = dh - 2 * math.pi * far * dh.sign()
    hue = torch.where(c1 * c2 == 0, h1 + h2, (h1 + h2) / 2 + math.pi * far)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * (hue - math.radians(30)).cos()
        + 0.24 * (2 * hue).cos()
        + 0.32 * (3 * hue + math.radians(6)).cos()
        - 0.20 * (4 * hue - math.radians(63)).cos()
    )
    off = (lightness - 50).square()
    lightness_term = (l2 - l1) / (1 + 0.015 * off / (20 + off).sqrt())
    chroma_term = (c2 - c1) / (1 + 0.045 * chroma)
    hue_term = 2 * _root(c1 * c2) * (dh / 2).sin() / (1 + 0.015 * chroma * t)
    degrees = torch.rad2deg(hue.remainder(2 * math.pi))
    rotation = -2 * _saturation(chroma) * (math.radians(60) * (-((degrees - 275) / 25).square()).exp()).sin()
    squares = lightness_term.square() + chroma_term.square() + hue_term.square()
    return _root(squares + rotation * chroma_term * hue_term)


def _power(s: Tensor, exponent: float) -> Tensor:
    """s to a power below 1, with gradient 0 where s is 0 (or below it by a rounding error)."""
    return torch.where(s > 0, s, 1) ** exponent * (s > 0)


def _root(s: Tensor) -> Tensor:
    return _power(s, 0.5)


def _length(a: Tensor, b: Tensor) -> Tensor:
    return _root(a.square() + b.square())


def _hue(a: Tensor, b: Tensor) -> Tensor:
    """The angle of (a, b) in [0, 2 pi); 0, with gradient 0, for grey."""
    grey = (a == 0) & (b == 0)
    return torch.atan2(torch.where(grey, 0, b), torch.where(grey, 1, a)).remainder(2 * math.pi)


def _saturation(c: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), written so that its gradient at C = 0 is 0."""
    c = c / 25
    return c**3.5 * (1 + c**7).rsqrt()
