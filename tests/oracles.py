"""What the tests compare attacks with."""

import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from fairlib.attacks.ssim import C1, C2, Windows


class Logits(nn.Module):
    """A network of the book without its log-softmax."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return list(self.network.layers(x))[-2][1]


def doubted(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of which images the model is less sure than float32 can tell from certainty: (N,) bool."""
    with torch.no_grad():
        return 1 - model(x).exp()[range(len(x)), y] > 1e-4


def same_but_for_noise(found: Tensor, expected: Tensor, share: float) -> None:
    """Equal, but for a small share of entries: signs of gradients that are lost in the rounding of float32."""
    assert ((found - expected).abs() > 1e-5).double().mean() <= share


def outer(windows: Windows) -> list[Tensor]:
    """The windows one by one, as images."""
    return [torch.outer(r, c) for r in windows.rows for c in windows.columns]


def dense_hessian(x: Tensor, windows: list[Tensor]) -> Tensor:
    """H of one image (H, W), window by window, as the sum that defines it: (P, P)."""
    found = torch.zeros(x.numel(), x.numel(), dtype=torch.float64)
    for window in windows:
        w, v = window.flatten(), x.flatten()
        m = w @ v
        variance = w @ (v - m) ** 2
        found += torch.outer(w, w) / (2 * m**2 + C1)
        found += (torch.diag(w) - torch.outer(w, w)) / (2 * variance + C2)
    return 2 / len(windows) * found


def skimage_ssim(x: Tensor, x_adv: Tensor) -> float:
    """SSIM with Wang et al.'s windows and constants, over those that fit."""
    return structural_similarity(
        x.numpy(), x_adv.numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
