"""Perceptual projected gradient descent, PPGD (Laidlaw, Singla and Feizi 2021, section 4), and its projection.

Their distance is the L2 norm of a difference of features, the root of what LPIPS is. Here `distance` is the square,
such as LPIPS, and `bound` bounds that: what they call epsilon = 0.5 is bound = 0.25.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, dot, gradient, unusable
from fairlib.attacks.loss import answers, lead
from fairlib.attacks.perceptual import stepping
from fairlib.attacks.pgd_l2 import unit
from fairlib.perceptual import Distance, check_distance

NOISE = 0.01  # standard deviation of the random start
NEWTON, HALVINGS = 10, 10
AIM = 0.99  # of the radius: Newton's steps end a little inside
INSIDE = 1 - 1e-4  # of the bound: float32 sums depend a little on how many images are looked at together


@torch.inference_mode(False)
def ppgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    bound: float,
    distance: Distance,
    a: float = 1.0,
    N: int = 40,
    conjugate: int = 5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Ascend the margin within distance(x, x_adv) <= bound: N steps that are steepest for the distance, each projected.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits. The margin is max_(i != y) logits_i -
    logits_y; above a >= 0 it counts no more, so that an image whose lead is larger stays where it is: it leaves the
    batch, which changes nothing of the result. A step moves the root of the distance by 2 sqrt(bound) / N, in the
    direction (J'J)^-1 g (`steepest`, `conjugate` iterations). The first point is x, or with a `generator` x plus
    Gaussian noise of 0.01, as in their paper and code, projected like every other point. `distance` must grow like a
    square near zero, as SSIM, LPIPS and DISTS do. Returns a new tensor like x, not rounded to 8 bits; the bound holds.

    N, `conjugate` and a are those of their evaluation. An image that the model already gets wrong comes back as it is;
    one without a finite gradient stays where it is, with a warning. Raises ValueError for input of another shape, dtype
    or range, a model in training mode, a distance that is flat, and where no gradient is finite.
    """
    checked(model, x, y, bound=bound, distance=distance, a=a, N=N)
    checks.whole(conjugate, "conjugate")
    x_adv, left, z = start(model, x, y, generator)
    if not len(left):
        return x_adv
    y = y[left]
    with torch.no_grad():
        features = distance.features(x_adv[left])
    z = project(distance, features, x_adv[left], z, bound)
    x_adv[left] = z
    with Gradients(x) as gradients:
        for _ in range(N):
            with torch.enable_grad():
                point = z.requires_grad_()
                ahead = lead(answers(model, point), y)
                g = gradient(ahead, point)
            on = ahead.detach() <= a
            if not on.any():
                break
            left, z, y, g, *features = (t[on] for t in (left, z.detach(), y, g, *features))
            step = gradients.seen(steepest(distance, z, gradients.seen(g, left), 2 * bound**0.5 / N, conjugate), left)
            z = project(distance, tuple(features), x.detach()[left], (z + step).clamp(0, 1), bound)
            x_adv[left] = z
    return x_adv


def steepest(distance: Distance, z: Tensor, g: Tensor, size: float, conjugate: int) -> Tensor:
    """The step that g'step is largest for, among those that move the root of the distance by `size` to first order.

    z, g (n, C, H, W), the images and the gradients there. Near z the distance is step' (J'J) step with J the
    Jacobian of its features, and lemma 1 of the paper gives size (J'J)^-1 g / ||J (J'J)^-1 g||. J'J times a vector is
    half the second derivative of the distance at z, where it is zero: exact, where their code takes a finite
    difference. The system is solved by `conjugate` iterations of conjugate gradients. Where the distance has no finite
    derivatives, neither has the step.
    """
    with torch.no_grad():
        features = distance.features(z)
    with torch.enable_grad():
        point = z.detach().requires_grad_()
        slope = gradient(distance.between(features, point), point, keep=True)

    def times(v: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(slope, point, v, retain_graph=True)
        return found / 2

    g = unit(g)
    solution, residual = conjugate_gradients(times, g, conjugate)
    square = dot(solution, g - residual)  # = solution' (J'J) solution
    moving = dot(g, g) > 0
    if (square[moving] <= 0).any():
        raise ValueError(f"{distance.name} is flat around an image, expected a distance that grows like a square")
    return torch.where(moving, solution * size / square.sqrt(), 0)


def conjugate_gradients(times: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Solve A s = b for each image (n, C, H, W), A symmetric and positive semi-definite, `times(v)` its product with v.

    Returns s after so many iterations, and the residual b - A s. An image whose search direction A maps to zero keeps
    what it has.
    """
    s, residual = torch.zeros_like(b), b
    direction, square = residual, dot(residual, residual)
    for _ in range(iterations):
        image = times(direction)
        curvature = dot(direction, image)
        length = torch.where(curvature > 0, square / curvature, 0)
        s = s + length * direction
        residual = residual - length * image
        last, square = square, dot(residual, residual)
        direction = residual + torch.where(last > 0, square / last, 0) * direction
    return s, residual


def project(distance: Distance, features: tuple[Tensor, ...], x: Tensor, z: Tensor, bound: float) -> Tensor:
    """Bring each image of z within `bound` of its x; what is inside stays as it is.

    x, z (n, C, H, W) in [0, 1], `features` those of x. Newton's steps on the root of the distance, along its gradient;
    what is not inside after ten of them goes the straight way to x, by bisection.
    """
    z, bound = z.detach().clone(), INSIDE * bound
    out = torch.arange(len(z), device=z.device)
    for _ in range(NEWTON):
        kept = tuple(f[out] for f in features)
        with torch.enable_grad():
            point = z[out].requires_grad_()
            found = distance.between(kept, point)
            outside = ~(found.detach() <= bound)
            if not outside.any():
                return z
            slope = gradient(found, point)[outside]
        slope = slope.masked_fill(unusable(slope)[0].view(-1, 1, 1, 1), 0)  # these go the straight way
        out, root = out[outside], found.detach()[outside].sqrt().view(-1, 1, 1, 1)
        step = (root - AIM * bound**0.5) * 2 * root / dot(slope, slope).clamp_min(torch.finfo(z.dtype).tiny)
        z[out] = (z[out] - step * slope).clamp(0, 1)
    kept, ends = tuple(f[out] for f in features), (x[out], z[out])
    low, high = torch.zeros(len(out), 1, 1, 1).to(z), torch.ones(len(out), 1, 1, 1).to(z)
    with torch.no_grad():
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            inside = (distance.between(kept, torch.lerp(*ends, middle)) <= bound).view(-1, 1, 1, 1)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    z[out] = torch.lerp(*ends, low)
    return z


def start(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
    """A copy of x, the indices of the images that the model gets right, and where the attack on those starts."""
    if generator is not None:
        checks.generator(generator)
    x_adv = x.detach().clone()
    with torch.no_grad():
        left = (lead(answers(model, x_adv), y) <= 0).nonzero()[:, 0]
    noise = 0 if generator is None else NOISE * torch.randn(x.shape, generator=generator).to(x)[left]
    return x_adv, left, (x_adv[left] + noise).clamp(0, 1)


def checked(model: nn.Module, x: Tensor, y: Tensor, *, bound: float, distance: Distance, a: float, N: int) -> None:
    """Refuse what an attack within a perceptual bound cannot work with."""
    stepping(model, x, y, a=a, N=N)
    check_distance(distance, "distance")
    checks.sides(x, distance.smallest, distance.name)
    checks.positive(bound, "bound", f"the largest {distance.name} allowed")
