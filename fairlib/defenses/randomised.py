"""Randomised smoothing: what a network answers most often under noise, certified in L2 (Cohen et al. 2019)."""

import math

import torch
from torch import Tensor, nn

from fairlib import checks

ABSTAINED = -1


def smoothed(
    model: nn.Module,
    x: Tensor,
    *,
    sigma: float,
    generator: torch.Generator,
    first: int = 100,
    draws: int = 10_000,
    level: float = 0.999,
    batch_size: int = 2_000,
) -> tuple[Tensor, Tensor]:
    """Say what the smoothed network answers, and how far in L2 no attack changes that.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K). It is shown pixels outside of
        [0, 1], too.
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].
    sigma : float
        Standard deviation of the noise on each pixel, above 0.
    generator : Generator
        Draws the noise.
    first : int
        Noisy copies that choose the class.
    draws : int
        Other noisy copies, that count how often it is answered.
    level : float
        Confidence of each certificate, in (0, 1).
    batch_size : int
        Copies at a time.

    Returns
    -------
    classes : Tensor
        (N,) int64; `ABSTAINED`, -1, where half of the answers cannot be excluded.
    radii : Tensor
        (N,) float64, in L2 over all pixels, each in [0, 1]; 0 where it abstains.

    Raises
    ------
    ValueError
        For bad input.

    Notes
    -----
    The smoothed network is g(x) = argmax_c P(f(x + e) = c), e normal with mean 0 and variance sigma^2 in each pixel.
    Let p be the lower end of the interval of P(f(x + e) = c) (`at_least`). Where p > 1/2,

        R = sigma * Phi^-1(p),

    and with the probability `level` g answers c everywhere within R. The certificate is g's, not f's, and each image
    has its own: of many, a share of up to 1 - level may be wrong.

    References
    ----------
    Cohen, Rosenfeld and Kolter (2019), Certified adversarial robustness via randomized smoothing, theorem 1 and
    section 3.2.2 (Certify).
    """
    checks.fitting(model, x)
    checks.positive(sigma, "sigma", "the noise's standard deviation")
    checks.generator(generator)
    for value, name in ((first, "first"), (draws, "draws"), (batch_size, "batch_size")):
        checks.whole(value, name)
    checks.share(level, "level")
    classes, radii = [], []
    for image in x:
        chosen = _answers(model, image, sigma, first, generator, batch_size).argmax().item()
        again = _answers(model, image, sigma, draws, generator, batch_size)[chosen].item()
        p = at_least(int(again), draws, level=level)
        classes.append(chosen if p > 0.5 else ABSTAINED)
        radii.append(sigma * math.sqrt(2) * torch.erfinv(torch.tensor(2 * p - 1, dtype=torch.float64)).item())
    radii = torch.tensor(radii, dtype=torch.float64, device=x.device).clamp_min(0)
    return torch.tensor(classes, dtype=torch.int64, device=x.device), radii


def at_least(hits: int, draws: int, *, level: float = 0.999) -> float:
    """The lower end of Clopper and Pearson's one-sided interval of a probability.

    Parameters
    ----------
    hits, draws : int
        So many of so many, 0 <= hits <= draws.
    level : float
        Confidence, in (0, 1).

    Returns
    -------
    float
        In [0, 1): the probability is at least that, with this confidence.

    Raises
    ------
    ValueError
        For counts or a level that are none.

    References
    ----------
    Clopper and Pearson (1934). Cohen et al. (2019), section 3.2.2 (LowerConfBound).
    """
    from statsmodels.stats.proportion import proportion_confint  # who attacks a network does not wait for it

    checks.whole(draws, "draws")
    checks.whole(hits, "hits", 0, draws)
    checks.share(level, "level")
    return float(proportion_confint(hits, draws, alpha=2 * (1 - level), method="beta")[0])


@torch.no_grad()
def _answers(
    model: nn.Module, image: Tensor, sigma: float, draws: int, generator: torch.Generator, batch_size: int
) -> Tensor:
    """How often each class is answered under noise: (K,)."""
    counts = 0
    for start in range(0, draws, batch_size):
        n = min(batch_size, draws - start)
        z = model(image + sigma * torch.randn(n, *image.shape, generator=generator).to(image.device))
        counts = counts + torch.bincount(z.argmax(1), minlength=z.shape[1])
    return counts
