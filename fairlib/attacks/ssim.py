"""SSIM near an image: its windows, the Hessian H of 1 - SSIM(x, .) at x, and H^-1 g, which the attack steps along.

Second paper, section 3.1; SSIM with its constants, window size and sigma is Wang et al.'s (2004). The chapter "SSIM in
one step" derives H.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fairlib.attacks.gradients import dot

C1, C2 = 0.01**2, 0.03**2  # for pixels in [0, 1]
WINDOW_SIDE, WINDOW_SIGMA = 11, 1.5


class Windows(NamedTuple):
    """Windows w(p, q) = rows[i, p] * columns[j, q], one for each i, j; each sums to 1.

    Parameters
    ----------
    rows : Tensor
        (I, H) float64.
    columns : Tensor
        (J, W) float64.
    """

    rows: Tensor
    columns: Tensor

    def means(self, v: Tensor) -> Tensor:
        """w.v for each window, (..., H, W) -> (..., I, J): a convolution, written as two products of matrices."""
        return self.rows @ v @ self.columns.mT

    def spread(self, u: Tensor) -> Tensor:
        """The transpose of `means`: sum_w u_w w, (..., I, J) -> (..., H, W)."""
        return self.rows.mT @ u @ self.columns

    def squared(self) -> "Windows":
        """The windows w(p, q)^2, which no longer sum to 1."""
        return Windows(self.rows.square(), self.columns.square())


def inside(x: Tensor) -> Windows:
    """SSIM's own windows, Gaussian ones, wherever they fit into images x (..., H, W).

    Few of them reach the rim: a corner's pixel has a millionth of the weight of one in the middle.
    """
    rows, columns = (_sliding(torch.arange(side, device=x.device), side) for side in x.shape[-2:])
    return Windows(rows, columns)


def mirrored(x: Tensor) -> Windows:
    """The same windows around every pixel of images x (..., H, W) that go on beyond the rim as in a mirror.

    All pixels have the same weight. It is one of several ways to see to that; the paper names none.
    """
    rows, columns = (_sliding(_reflected(side, x.device), side) for side in x.shape[-2:])
    return Windows(rows, columns)


def whole(x: Tensor) -> Windows:
    """One window that weighs all pixels of images x (..., H, W) alike."""
    rows, columns = (torch.full((1, side), 1 / side, dtype=torch.float64, device=x.device) for side in x.shape[-2:])
    return Windows(rows, columns)


def _sliding(index: Tensor, side: int) -> Tensor:
    """A row per window, a column per pixel of 0, ..., side - 1; `index` says which pixels stand in a line."""
    away = torch.arange(WINDOW_SIDE, dtype=torch.float64, device=index.device) - WINDOW_SIDE // 2
    gaussian = (-(away**2) / (2 * WINDOW_SIGMA**2)).softmax(0)
    line = torch.eye(side, dtype=torch.float64, device=index.device)[:, index]
    return (line.unfold(1, WINDOW_SIDE, 1) @ gaussian).mT


def _reflected(side: int, device: torch.device) -> Tensor:
    """4, 3, 2, 1, 0, 0, 1, ..., side - 1, side - 1, side - 2, ..."""
    i = torch.arange(-(WINDOW_SIDE // 2), side + WINDOW_SIDE // 2, device=device)
    i = torch.maximum(i, -1 - i)
    return torch.minimum(i, 2 * side - 1 - i)


def hessian(x: Tensor, windows: Windows) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The Hessian H of 1 - SSIM(x, .) at x, as a product with a vector, and its diagonal.

    Parameters
    ----------
    x : Tensor
        (N, 1, H, W) float64 in [0, 1], the images.
    windows : Windows
        What SSIM looks through.

    Returns
    -------
    apply : callable
        v -> H v, (N, 1, H, W) float64 each.
    diagonal : Tensor
        (N, 1, H, W) float64, above 0.

    Notes
    -----
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
    """H^-1 g, the direction that raises the loss most for what it costs in SSIM, by conjugate gradients.

    Parameters
    ----------
    x : Tensor
        (N, 1, H, W) float64 in [0, 1], the images.
    g : Tensor
        Like x, the gradient of the loss.
    windows : callable
        x -> Windows: `mirrored`, `inside` or `whole`.

    Returns
    -------
    Tensor
        Like x.
    """
    return conjugate_gradients(*hessian(x, windows(x)), g)


def whole_direction(x: Tensor, g: Tensor) -> Tensor:
    """H^-1 g with one window over all pixels, by a formula.

    Parameters
    ----------
    x : Tensor
        (N, 1, H, W) float64 in [0, 1], the images.
    g : Tensor
        Like x, the gradient of the loss.

    Returns
    -------
    Tensor
        Like x.

    Notes
    -----
    By Sherman and Morrison it is P / (2 beta) (g - (1 - beta / alpha) mean(g)) for P pixels: all of g is treated alike,
    but for its mean, which is multiplied by beta / alpha.
    """
    alpha, beta = weights(x, whole(x))
    return g.shape[1:].numel() / (2 * beta) * (g - (1 - beta / alpha) * g.mean((2, 3), keepdim=True))


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], diagonal: Tensor, g: Tensor, *, tolerance: float = 1e-8
) -> Tensor:
    """Solve H v = g image by image, for a symmetric positive definite H, preconditioned by its diagonal.

    Parameters
    ----------
    apply : callable
        v -> H v, (N, 1, H, W) float64 each.
    diagonal : Tensor
        (N, 1, H, W) float64, that of H.
    g : Tensor
        (N, 1, H, W) float64.
    tolerance : float
        The largest length of a residual, in lengths of its g.

    Returns
    -------
    Tensor
        v (N, 1, H, W) float64.

    Raises
    ------
    ValueError
        When it takes more than ten steps per pixel.
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
