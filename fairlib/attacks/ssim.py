"""The one-step attack on SSIM (second paper, section 3.1), and one step of PGD of the same length.

The paper shows what the attack does (figure 2) and not how it is derived; the chapter "SSIM in one step" derives it.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, dot
from fairlib.attacks.loss import answers, lead, margin

C1, C2 = 0.01**2, 0.03**2  # for pixels in [0, 1]; these, and the window's size and sigma, are Wang et al.'s (2004)
SIZE, SIGMA = 11, 1.5


def ssim_step(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, windows: str = "mirrored") -> Tensor:
    """clip(x + t H^-1 g, 0, 1): g the gradient of the cross-entropy, H the Hessian of 1 - SSIM(x, .) at x.

    x (N, 1, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits (or log-probabilities). t > 0 is such
    that the step has the L2 length eps > 0 after clipping, image by image; where there is none, the image goes as far
    as it can. `windows`: `mirrored` or `inside` (see there), for which H^-1 g takes conjugate gradients, or `whole`,
    one window that weighs all pixels alike, for which it is a formula. Returns a new tensor like x; an image that the
    model already gets wrong comes back as it is, and so does one without a finite gradient, with a warning. Raises
    ValueError for input of another shape, dtype or range, images smaller than a window, a model in training mode, and
    where no gradient is finite.
    """
    return _step(model, x, y, DIRECTIONS[checks.one_of(windows, tuple(DIRECTIONS), "windows")], eps)


def pgd_step(model: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """clip(x + t g, 0, 1): one step of PGD (L2), in everything else like `ssim_step`."""
    return _step(model, x, y, lambda x, g: g, eps)


def _step(model: nn.Module, x: Tensor, y: Tensor, direction: Callable[[Tensor, Tensor], Tensor], eps: float) -> Tensor:
    checks.positive(eps, "eps", "the step's length")
    g, right = slope(model, x, y)
    x_adv = x.detach().clone()
    x = x_adv[right].double()
    d = direction(x, g[right].double())
    x_adv[right] = (x + reach(x, d, eps) * d).clamp(0, 1).float()
    return x_adv


@torch.inference_mode(False)
def slope(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The margin's gradient, which has the direction of the cross-entropy's (`fairlib.attacks.loss`), (N, 1, H, W), and
    which images the model gets right, (N,) bool."""
    checks.classified(model, x, y)
    if x.shape[1] != 1:
        raise ValueError(
            f"x has {x.shape[1]} channels, expected 1: this SSIM compares grey images; see x.mean(1, True)"
        )
    checks.sides(x, SIZE, "a window of SSIM")
    with torch.enable_grad(), Gradients(x) as gradients:
        z = x.detach().clone().requires_grad_()
        logits = answers(model, z)
        return gradients(margin(logits, y), z), (lead(logits, y) <= 0).detach()


def reach(x: Tensor, d: Tensor, eps: float) -> Tensor:
    """The t >= 0 at which clip(x + t d, 0, 1) is eps away from x in L2: x, d (N, 1, H, W) float64 -> (N, 1, 1, 1).

    Where clipping keeps the image nearer than that, the t at which it gets no further. Between the values of t at which
    one more pixel reaches 0 or 1 the squared length is a + b t^2: it is enough to know between which two it is eps^2.
    """
    d, x = d.flatten(1), x.flatten(1)
    room = torch.where(d > 0, 1 - x, x) * (d != 0)
    stop, order = torch.where(d != 0, room / d.abs(), 0).sort(1)  # the t at which each pixel stops
    room, d = room.gather(1, order).square(), d.gather(1, order).square()
    moving = d.flip(1).cumsum(1).flip(1)  # of the pixels that stop here or later
    stopped = room.cumsum(1) - room
    k = (stopped + stop.square() * moving < eps**2).sum(1, keepdim=True)
    last = k == stop.shape[1]
    k = k.clamp_max(stop.shape[1] - 1)
    t = ((eps**2 - stopped.gather(1, k)) / moving.gather(1, k)).sqrt()
    return torch.where(last, stop[:, -1:], t)[..., None, None]


# --- SSIM and its Hessian. --------------------------------------------------------------------------------------------


class Windows(NamedTuple):
    """Windows w(p, q) = rows[i, p] * columns[j, q], one for each i, j; each sums to 1."""

    rows: Tensor
    columns: Tensor

    def means(self, v: Tensor) -> Tensor:
        """w.v for each window, (..., H, W) -> (..., I, J): a convolution, written as two products of matrices."""
        return self.rows @ v @ self.columns.mT

    def spread(self, u: Tensor) -> Tensor:
        """The transpose of `means`: sum_w u_w w, (..., I, J) -> (..., H, W)."""
        return self.rows.mT @ u @ self.columns

    def squared(self) -> "Windows":
        return Windows(self.rows.square(), self.columns.square())


def inside(x: Tensor) -> Windows:
    """SSIM's own windows, Gaussian ones, wherever they fit into images (..., H, W).

    Few of them reach the rim: a corner's pixel has a millionth of the weight of one in the middle.
    """
    return Windows(*(_slide(torch.arange(side, device=x.device), side) for side in x.shape[-2:]))


def mirrored(x: Tensor) -> Windows:
    """The same windows around every pixel of images (..., H, W) that go on beyond the rim as in a mirror.

    All pixels have the same weight. It is one of several ways to see to that; the paper names none.
    """
    return Windows(*(_slide(_reflected(side, x.device), side) for side in x.shape[-2:]))


def whole(x: Tensor) -> Windows:
    """One window that weighs all pixels of images (..., H, W) alike."""
    return Windows(*(torch.full((1, side), 1 / side, dtype=torch.float64, device=x.device) for side in x.shape[-2:]))


def _slide(index: Tensor, side: int) -> Tensor:
    """A row per window, a column per pixel of 0, ..., side - 1; `index` says which pixels stand in a line."""
    away = torch.arange(SIZE, dtype=torch.float64, device=index.device) - SIZE // 2
    taps = (-(away**2) / (2 * SIGMA**2)).softmax(0)
    line = torch.eye(side, dtype=torch.float64, device=index.device)[:, index]
    return (line.unfold(1, SIZE, 1) @ taps).mT


def _reflected(side: int, device: torch.device) -> Tensor:
    """4, 3, 2, 1, 0, 0, 1, ..., side - 1, side - 1, side - 2, ..."""
    i = torch.arange(-(SIZE // 2), side + SIZE // 2, device=device)
    i = torch.maximum(i, -1 - i)
    return torch.minimum(i, 2 * side - 1 - i)


def hessian(x: Tensor, windows: Windows) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """v -> H v, and the diagonal of H, for the Hessian H of 1 - SSIM(x, .) at x (N, 1, H, W) float64.

    H = (2 / W) sum_w [alpha_w w w' + beta_w (diag w - w w')] over W windows w, with alpha_w = 1 / (2 m_w^2 + C1) and
    beta_w = 1 / (2 s_w^2 + C2) from the mean m_w and the variance s_w^2 that x has under w.
    """
    alpha, beta = weights(x, windows)
    own = windows.spread(beta)
    factor = 2 / alpha.shape[1:].numel()

    def apply(v: Tensor) -> Tensor:
        return factor * (windows.spread((alpha - beta) * windows.means(v)) + own * v)

    return apply, factor * (windows.squared().spread(alpha - beta) + own)


def weights(x: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
    """What a unit of luminance and of structure costs in each window, alpha_w and beta_w: (N, 1, I, J) each."""
    m = windows.means(x)
    variance = (windows.means(x**2) - m**2).clamp_min(0)
    return 1 / (2 * m**2 + C1), 1 / (2 * variance + C2)


def direction(x: Tensor, g: Tensor, windows: Callable[[Tensor], Windows] = mirrored) -> Tensor:
    """H^-1 g by conjugate gradients: x, g (N, 1, H, W) float64 -> the same."""
    return conjugate_gradients(*hessian(x, windows(x)), g)


def whole_direction(x: Tensor, g: Tensor) -> Tensor:
    """H^-1 g with one window over P pixels, by Sherman and Morrison: P / (2 beta) (g - (1 - beta / alpha) mean(g)).

    All of g is treated alike, but for its mean, which is multiplied by beta / alpha.
    """
    alpha, beta = weights(x, whole(x))
    return g.shape[1:].numel() / (2 * beta) * (g - (1 - beta / alpha) * g.mean((2, 3), keepdim=True))


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], diagonal: Tensor, g: Tensor, *, tolerance: float = 1e-8
) -> Tensor:
    """The v with apply(v) = g, image by image, (N, 1, H, W) float64, for a symmetric positive definite `apply`.

    Preconditioned by its diagonal; ends when each residual is `tolerance` of its g in length. Raises ValueError where
    that takes more than ten steps per pixel.
    """
    v, residual = torch.zeros_like(g), g
    p = z = residual / diagonal
    energy, enough = dot(residual, z), tolerance**2 * dot(g, g)
    for _ in range(10 * g.shape[1:].numel()):
        unsolved = ~(dot(residual, residual) <= enough)
        if not unsolved.any():
            return v
        q = apply(p)
        step = torch.where(unsolved, energy / dot(p, q), 0)
        v, residual = v + step * p, residual - step * q
        z = residual / diagonal
        before, energy = energy, dot(residual, z)
        p = z + torch.where(unsolved, energy / before, 0) * p
    raise ValueError("conjugate gradients do not converge: the system is not positive definite")


DIRECTIONS = {"mirrored": direction, "inside": partial(direction, windows=inside), "whole": whole_direction}
