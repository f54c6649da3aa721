"""Perceptual projected gradient descent, PPGD (Laidlaw, Singla and Feizi 2021, section 4), and its projection.

Their distance is the L2 norm of a difference of features, the root of what LPIPS is. Here `distance` is the square,
such as LPIPS, and `bound` bounds that: what they call epsilon = 0.5 is bound = 0.25.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, dot, gradient, normalised, unusable
from fairlib.attacks.loss import CheckedModel, check_stopping, lead
from fairlib.perceptual import Distance, check_distance

START_NOISE = 0.01  # standard deviation of the random start
NEWTON_STEPS, BISECTIONS = 10, 10  # of the projection
NEWTON_AIM = 0.99  # of the radius: Newton's steps end a little inside
INSIDE = 1 - 1e-4  # of the bound: float32 sums depend a little on how many images are looked at together


@torch.inference_mode(False)
def ppgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    bound: float,
    distance: Distance,
    confidence: float = 1.0,
    iterations: int = 40,
    conjugate_iterations: int = 5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Climb the margin within a bound on a perceptual distance, by steps that are steepest for that distance.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    bound : float
        The largest distance(x, x_adv) allowed, above 0; Laidlaw et al.'s epsilon squared.
    distance : Distance
        D, which must grow like a square near zero, as SSIM, LPIPS and DISTS do.
    confidence : float
        kappa, 0 or more: an image whose lead, in logits, exceeds it stays where it is and leaves the batch.
    iterations : int
        Number of steps T, 1 or more.
    conjugate_iterations : int
        Iterations of conjugate gradients per step, 1 or more.
    generator : torch.Generator or None
        Draws Gaussian noise of standard deviation 0.01 for the first point, as their paper and code do; without one
        it is x.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x, not rounded to 8 bits, within the bound. An image without a finite gradient stays
        where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, the distance is flat, or no
        gradient is finite.

    Notes
    -----
    With z the logits, the margin max_(j != y) z_j - z_y, cut off at kappa, is climbed from x or the noisy x by

        x_(t+1) = project(x_t + (2 sqrt(bound) / T) (J'J)^-1 g / ||J (J'J)^-1 g||_2),

    g the margin's gradient and J the Jacobian of the distance's features at x_t: of all steps that move the root of D
    by 2 sqrt(bound) / T to first order, the one with the largest g'step (their lemma 1). `project` brings a point
    within the bound. The defaults of T, kappa and conjugate_iterations are those of their evaluation. Deviations:

    - J'J times a vector is half the second derivative of D, exactly; their code takes a finite difference.
    - An image that the model already gets wrong comes back as it is.

    References
    ----------
    Laidlaw, Singla and Feizi (2021), Perceptual Adversarial Robustness: Defense Against Unseen Threat Models,
    section 4 and appendix A. Second paper, section 3.2.
    """
    check_bounded(model, x, y, bound=bound, distance=distance, confidence=confidence, iterations=iterations)
    checks.whole(conjugate_iterations, "conjugate_iterations")
    model = CheckedModel(model, y)
    x_adv, active, point = starting_point(model, x, y, generator)
    if not len(active):
        return x_adv
    y = y[active]
    with torch.no_grad():
        features = distance.features(x_adv[active])
    point = project(distance, features, x_adv[active], point, bound)
    x_adv[active] = point
    size = 2 * bound**0.5 / iterations
    with Gradients(x) as gradients:
        for _ in range(iterations):
            with torch.enable_grad():
                leaf = point.requires_grad_()
                ahead = lead(model(leaf), y)
                g = gradient(ahead, leaf)
            remaining = ahead.detach() <= confidence
            if not remaining.any():
                break
            active, point, y, g = active[remaining], point.detach()[remaining], y[remaining], g[remaining]
            features = tuple(feature[remaining] for feature in features)
            step = steepest(distance, point, gradients.usable(g, active), size, conjugate_iterations)
            moved = (point + gradients.usable(step, active)).clamp(0, 1)
            point = project(distance, features, x.detach()[active], moved, bound)
            x_adv[active] = point
    return x_adv


def steepest(distance: Distance, x: Tensor, g: Tensor, size: float, conjugate_iterations: int) -> Tensor:
    """The step that g'step is largest for, among those that move the root of the distance by `size` to first order.

    x, g (n, C, H, W), the images and the gradients there. Near x the distance is step' (J'J) step with J the
    Jacobian of its features, and lemma 1 of the paper gives size (J'J)^-1 g / ||J (J'J)^-1 g||. J'J times a vector is
    half the second derivative of the distance at x, where it is zero. The system is solved by conjugate gradients.
    Where the distance has no finite derivatives, neither has the step.
    """
    with torch.no_grad():
        features = distance.features(x)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        slope = gradient(distance.between(features, leaf), leaf, keep_graph=True)

    def product(v: Tensor) -> Tensor:
        """J'J v."""
        (twice,) = torch.autograd.grad(slope, leaf, v, retain_graph=True)
        return twice / 2

    g = normalised(g)
    solution, residual = conjugate_gradients(product, g, conjugate_iterations)
    square = dot(solution, g - residual)  # = solution' (J'J) solution
    moving = dot(g, g) > 0
    if (square[moving] <= 0).any():
        raise ValueError(f"{distance.name} is flat around an image, expected a distance that grows like a square")
    return torch.where(moving, solution * size / square.sqrt(), 0)


def conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Solve A s = b for each image (n, C, H, W), A symmetric and positive semi-definite, `product(v)` being A v.

    Returns s after so many iterations, and the residual b - A s. An image whose search direction A maps to zero keeps
    what it has.
    """
    s, residual = torch.zeros_like(b), b
    direction, square = residual, dot(residual, residual)
    for _ in range(iterations):
        image = product(direction)
        curvature = dot(direction, image)
        length = torch.where(curvature > 0, square / curvature, 0)
        s = s + length * direction
        residual = residual - length * image
        last, square = square, dot(residual, residual)
        direction = residual + torch.where(last > 0, square / last, 0) * direction
    return s, residual


def project(distance: Distance, features: tuple[Tensor, ...], x: Tensor, point: Tensor, bound: float) -> Tensor:
    """Bring each point within `bound` of its image x; what is inside stays as it is.

    x, point (n, C, H, W) in [0, 1], `features` those of x. Newton's steps on the root of the distance, along its
    gradient; what is not inside after ten of them goes the straight way to x, by bisection.
    """
    point, bound = point.detach().clone(), INSIDE * bound
    far = torch.arange(len(point), device=point.device)  # the points that are not inside
    for _ in range(NEWTON_STEPS):
        kept = tuple(feature[far] for feature in features)
        with torch.enable_grad():
            leaf = point[far].requires_grad_()
            squared = distance.between(kept, leaf)
            outside = ~(squared.detach() <= bound)
            if not outside.any():
                return point
            slope = gradient(squared, leaf)[outside]
        slope = slope.masked_fill(unusable(slope)[0].view(-1, 1, 1, 1), 0)  # these go the straight way
        far, root = far[outside], squared.detach()[outside].sqrt().view(-1, 1, 1, 1)
        step = (root - NEWTON_AIM * bound**0.5) * 2 * root / dot(slope, slope).clamp_min(torch.finfo(point.dtype).tiny)
        point[far] = (point[far] - step * slope).clamp(0, 1)
    kept, image, end = tuple(feature[far] for feature in features), x[far], point[far]
    low = torch.zeros(len(far), 1, 1, 1).to(point)
    high = torch.ones(len(far), 1, 1, 1).to(point)
    with torch.no_grad():
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            inside = (distance.between(kept, torch.lerp(image, end, middle)) <= bound).view(-1, 1, 1, 1)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    point[far] = torch.lerp(image, end, low)
    return point


def starting_point(
    model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """A copy of x, the indices of the images that the model gets right, and where the attack on those starts."""
    if generator is not None:
        checks.generator(generator)
    x_adv = x.detach().clone()
    with torch.no_grad():
        active = (lead(model(x_adv), y) <= 0).nonzero()[:, 0]
    noise = 0 if generator is None else START_NOISE * torch.randn(x.shape, generator=generator).to(x)[active]
    return x_adv, active, (x_adv[active] + noise).clamp(0, 1)


def check_bounded(
    model: nn.Module, x: Tensor, y: Tensor, *, bound: float, distance: Distance, confidence: float, iterations: int
) -> None:
    """Refuse what an attack within a perceptual bound cannot work with."""
    check_stopping(model, x, y, confidence=confidence, iterations=iterations)
    check_distance(distance, "distance")
    checks.sides(x, distance.smallest, distance.name)
    checks.positive(bound, "bound", f"the largest {distance.name} allowed")
