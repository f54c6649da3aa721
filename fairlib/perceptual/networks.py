"""Distances between the features that trained networks see: LPIPS, ST-LPIPS, DISTS and PieAPP.

Each is a class of two methods: `features` looks at the reference images once, `between` compares other images with
them. Images are RGB, (N, 3, H, W) in [0, 1]; the network moves to their device and takes their dtype.

Networks that only pyiqa has come from there, the others from torchvision: pyiqa's own LPIPS and DISTS fetch 600 MB
before they look at what is there. Either is imported when a distance needs it.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import weights


class LPIPS:
    """Learned weights on the squared differences of a network's activations.

    Parameters
    ----------
    network : nn.Module
        ``network(x)`` yields the activations (N, C_l, H_l, W_l) of five layers.
    heads : list of Tensor
        Of each layer the weights of its channels, (1, C_l, 1, 1), 0 or more.

    Notes
    -----
    With y_l the activations of layer l, of length 1 over the channels at each position, and their weights w_l,

        d(x, x0) = sum_l 1 / (H_l W_l) sum_hw sum_c w_lc (y_lhwc - y0_lhwc)^2.

    Deviations from the paper: w_l weighs the squares, as in the authors' version 0.1; the paper squares it too. Pixels
    are normalised with ImageNet's mean and deviation, which is what the authors' own scaling comes to.

    References
    ----------
    Zhang, Isola, Efros, Shechtman and Wang 2018, equation 1; on a network that tolerates shifts Ghildyal and Liu 2022.
    """

    def __init__(self, network: nn.Module, heads: list[Tensor]) -> None:
        self.network = network.eval().requires_grad_(False)
        self.heads = heads

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The activations of images x (N, 3, H, W), with unit vectors along the channels, layer by layer."""
        return tuple(F.normalize(a, dim=1, eps=1e-10) for a in self.network.to(x)(_normalised(x)))

    def between(self, features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        """The distance of each image of x_adv (N, 3, H, W) from its reference: (N,)."""
        layers = zip(features, self.features(x_adv), self.heads, strict=True)
        return sum(F.conv2d((f - g).square(), head.to(g)).mean((1, 2, 3)) for f, g, head in layers)


def lpips_alex(folder: Path | None) -> LPIPS:
    """LPIPS on AlexNet; its weights as `fairlib.weights.load` finds them, in `folder` (or that file) first."""
    return LPIPS(_alexnet(folder), _heads(weights.load("LPIPS_v0.1_alex-df73285e.pth", folder)))


def unweighted_alex() -> LPIPS:
    """LPIPS on AlexNet in which every channel of its five layers has the weight 1."""
    return LPIPS(_alexnet(None), [torch.ones(1, channels, 1, 1) for channels in (64, 192, 384, 256, 256)])


def lpips_vgg(folder: Path | None) -> LPIPS:
    """LPIPS on VGG16; its weights as `fairlib.weights.load` finds them, in `folder` (or that file) first."""
    return LPIPS(_vgg16(folder), _heads(weights.load("LPIPS_v0.1_vgg-a78928a0.pth", folder)))


def st_lpips(folder: Path | None) -> LPIPS:
    """LPIPS on an AlexNet that tolerates shifts; its weights as `fairlib.weights.load` finds them."""
    with _importing_pyiqa():
        from pyiqa.archs.stlpips_arch import alexnet

    state = weights.load("alex_shift_tolerant.pth", folder)
    with torch.device("meta"):
        network = alexnet()
    own = {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}
    network.load_state_dict(own, assign=True)
    return LPIPS(network, _heads(state))


def _heads(state: dict[str, Tensor]) -> list[Tensor]:
    """The weights of the channels of LPIPS's five layers."""
    return [state[f"lin{k}.model.1.weight"] for k in range(5)]


class DISTS:
    """Texture (means) and structure (correlations) of VGG16's activations, compared channel by channel.

    Parameters
    ----------
    folder : Path, optional
        The file of the weights, or a folder in which to look for them first (`fairlib.weights.load`).

    Notes
    -----
    With the pixels as stage 0, activations x_ij and y_ij of channel j at stage i, and c1 = c2 = 1e-6,

        l(x, y) = (2 mu_x mu_y + c1) / (mu_x^2 + mu_y^2 + c1),
        s(x, y) = (2 sigma_xy + c2) / (sigma_x^2 + sigma_y^2 + c2),
        D(x, y) = 1 - sum_ij (alpha_ij l(x_ij, y_ij) + beta_ij s(x_ij, y_ij)),

    where alpha and beta are trained and sum to 1. VGG16's max poolings are L2 poolings here.

    References
    ----------
    Ding, Ma, Wang and Simoncelli 2022, section 3.
    """

    def __init__(self, folder: Path | None = None) -> None:
        with _importing_pyiqa():
            from pyiqa.archs.dists_arch import L2pooling

        vgg16 = _vgg16(folder)
        pools = {4: 64, 9: 128, 16: 256, 23: 512}  # VGG16's max poolings, and the channels that they see
        layers = [L2pooling(channels=pools[i]) if i in pools else layer for i, layer in enumerate(vgg16)]
        self.network = _Layers(layers, vgg16.taps).eval().requires_grad_(False)
        state = weights.load("DISTS_weights-f5e65c96.pth", folder)
        total = state["alpha"].sum() + state["beta"].sum()
        channels = [3, 64, 128, 256, 512, 512]
        self.alphas = (state["alpha"] / total).split(channels, dim=1)
        self.betas = (state["beta"] / total).split(channels, dim=1)

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """Mean, variance, and activations less their mean, of images x (N, 3, H, W), one stage after the other."""
        features: tuple[Tensor, ...] = ()
        for a in (x, *self.network.to(x)(_normalised(x))):
            mean = a.mean((2, 3), keepdim=True)
            features += (mean, (a - mean).square().mean((2, 3), keepdim=True), a - mean)
        return features

    def between(self, features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        """The distance of each image of x_adv (N, 3, H, W) from its reference: (N,)."""
        c1 = c2 = 1e-6
        other, similarity = self.features(x_adv), 0
        for i, (alpha, beta) in enumerate(zip(self.alphas, self.betas, strict=True)):
            (mean_x, variance_x, x), (mean_y, variance_y, y) = (f[3 * i : 3 * i + 3] for f in (features, other))
            texture = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            structure = (2 * (x * y).mean((2, 3), keepdim=True) + c2) / (variance_x + variance_y + c2)
            similarity = similarity + (alpha.to(y) * texture + beta.to(y) * structure).sum((1, 2, 3))
        return 1 - similarity


class PieAPP:
    """How much more people prefer the reference, as a network guesses it patch by patch.

    Parameters
    ----------
    folder : Path, optional
        The file of the weights, or a folder in which to look for it first (`fairlib.weights.load`).

    Notes
    -----
    The errors s_m of the patches m, which one head reads off the difference of the features of x and y, averaged with
    weights w_m > 0 from another head: d(x, y) = sum_m w_m s_m / sum_m w_m. It may be negative, and equal images need
    not be at 0.

    Deviation from the paper: one fixed grid of patches, 64 pixels wide and 27 apart, as in pyiqa; the paper draws them.

    References
    ----------
    Prashnani, Cai, Mostofi and Sen 2018, section 4.
    """

    def __init__(self, folder: Path | None = None) -> None:
        with _importing_pyiqa():
            from pyiqa.archs import func_util, pieapp_arch

        self.patches = func_util.extract_2d_patches
        with torch.device("meta"):
            network = pieapp_arch.PieAPP(pretrained=False)
        network.load_state_dict(weights.load("PieAPPv0.1-0937b014.pth", folder), assign=True)
        self.network = network.eval().requires_grad_(False)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the two heads read of the patches of images x (N, 3, H, W): (N, patches, ...) each."""
        network = self.network.to(x)
        patches = self.patches(network.preprocess(x), network.patch_size, network.stride, padding="none")
        fine, coarse = network.compute_features(patches.flatten(0, 1))
        return fine.unflatten(0, patches.shape[:2]), coarse.unflatten(0, patches.shape[:2])

    def between(self, features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        """The distance of each image of x_adv (N, 3, H, W) from its reference: (N,)."""
        fine, coarse = (f - g for f, g in zip(features, self.features(x_adv), strict=True))
        network = self.network
        error = network.ref_score_subtract(0.01 * network.fc2_score(network.fc1_score(fine).relu()))
        weight = network.fc2_weight(network.fc1_weight(coarse).relu()) + 1e-6
        return (weight * error).sum((1, 2)) / weight.sum((1, 2))


class _Layers(nn.Sequential):
    """Layers, one after the other, whose output is the activations of some of them, each as soon as it is there."""

    def __init__(self, layers: Iterable[nn.Module], taps: tuple[int, ...]) -> None:
        super().__init__(*layers)
        self.taps = taps

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        for i, layer in enumerate(self):
            x = layer(x)
            if i in self.taps:
                yield x


def _alexnet(folder: Path | None) -> _Layers:
    """AlexNet's convolutions, tapped after its five ReLUs."""
    return _Layers(_torchvision("alexnet", "alexnet-owt-7be5be79.pth", folder)[:12], (1, 4, 7, 9, 11))


def _vgg16(folder: Path | None) -> _Layers:
    """VGG16's convolutions, tapped after the last ReLU of each block."""
    return _Layers(_torchvision("vgg16", "vgg16-397923af.pth", folder)[:30], (3, 8, 15, 22, 29))


def _torchvision(name: str, file: str, folder: Path | None) -> nn.Sequential:
    """The convolutional part of a torchvision network; where `folder` is a file, it holds another one's weights."""
    from torchvision import models

    state = weights.load(file, folder if folder is not None and folder.is_dir() else None)
    with torch.device("meta"):
        layers = getattr(models, name)(weights=None).features
    own = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
    layers.load_state_dict(own, assign=True)
    return layers


def _normalised(x: Tensor) -> Tensor:
    """Pixels with ImageNet's mean and deviation taken out."""
    from torchvision.transforms.functional import normalize

    return normalize(x, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@contextmanager
def _importing_pyiqa() -> Iterator[None]:
    """Its imports complain in a notebook that they could show no progress bar. They have none to show."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        yield
