"""Made-up images for the tests."""

import torch
from torch import Tensor

from fairlib import runtime


def drawn(n: int, side: int, channels: int = 3, seed: int = 3) -> tuple[Tensor, Tensor]:
    """n smooth random images and noisy versions of them, the noise growing with the number; multiples of 1/255."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, side // 4 + 1, side // 4 + 1, generator=generator)
    x = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    noise = torch.randn(x.shape, generator=generator) * (torch.arange(1, n + 1) / (20 * n)).view(-1, 1, 1, 1)
    return tuple((255 * image.clamp(0, 1)).round() / 255 for image in (x, x + noise))


def texture(n: int, side: int, seed: int = 0) -> Tensor:
    """Images whose spectrum falls with the frequency, as those of photographs do."""
    g = runtime.generator(seed)
    f = torch.fft.fftfreq(side)
    falling = 1 / (torch.hypot(f[:, None], f[None]) + 1 / side)
    x = torch.fft.ifft2(torch.fft.fft2(torch.rand(n, 3, side, side, generator=g)) * falling).real
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low)
