"""Algorithm 1 of the second paper (section 3.2): gradient ascent on the loss minus a perceptual cost, until fooled."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, gradient, unusable
from fairlib.attacks.loss import answers, lead, margin
from fairlib.perceptual import Distance, check_distance

QUANTISE = ("floor", "round", "straight_through")


@torch.inference_mode(False)
def perceptual(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    cost: Distance,
    eps: float = 0.1,
    lam: float = 1.0,
    a: float = 0.0,
    N: int = 100,
    quantise: str = "floor",
) -> Tensor:
    """Ascend phi = loss(theta; x_adv, y) - lam * cost(x, x_adv), the surrogate of equation (4), by Algorithm 1.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits (or log-probabilities); the loss is
    cross-entropy. eps > 0 multiplies the gradient, which is not normalised as PGD's is (line 8), lam >= 0 weighs the
    cost, a >= 0 is the lead at which an image is finished, N the number of steps, `quantise` that of `ascend`. Returns
    a new tensor like x. The cost looks at x once.

    Deviation from the paper: an image that the model already gets wrong comes back as it is, whatever a is. An image
    without a finite gradient stays where it is, with a warning. Raises ValueError for input of another shape, dtype or
    range, images that the cost does not accept, a model in training mode, a cost without a gradient, and where no
    gradient is finite.
    """
    checks.not_negative(lam, "lam", "the weight of the cost, which is subtracted")
    check_distance(cost, "cost")

    def surrogate(m: Tensor, x_adv: Tensor, *features: Tensor) -> Tensor:
        c = cost.between(features, x_adv)
        if not c.requires_grad:
            raise ValueError(f"{cost.name} has no gradient with respect to x_adv, expected a differentiable cost")
        return F.softplus(m) - lam * c  # the cross-entropy is log(1 + exp(m))

    stepping(model, x, y, a=a, N=N)
    with torch.no_grad():
        features = cost.features(x.detach())
    return ascend(model, x, y, surrogate, *features, eps=eps, a=a, N=N, quantise=quantise)


def ascend(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    surrogate: Callable[..., Tensor],
    *kept: Tensor,
    direction: Callable[[Tensor], Tensor] = lambda g: g,
    eps: float,
    a: float,
    N: int,
    quantise: str,
) -> Tensor:
    """Algorithm 1, its lines by their numbers, for a batch from which an image leaves as soon as it is finished.

    `surrogate(m, x_adv, *kept)` says what is climbed, one value per image, m being the margin (`attacks.loss`); `kept`
    holds what it needs to know of each image, first dimension N. `direction` makes Delta out of the gradient. Line 9,
    "validate as an RGB image", clips to [0, 1] and makes every value a multiple of 1/255: the next below (`floor`,
    "truncate" in the text) or the nearest (`round`). `straight_through` shows model and caller the nearest too, but
    goes on from the value before it was rounded, so that steps of less than half a level add up. An image that never
    moves is not validated.
    """
    stepping(model, x, y, a=a, N=N)
    checks.one_of(quantise, QUANTISE, "quantise")
    checks.positive(eps, "eps", "the step's length")
    level = torch.floor if quantise == "floor" else torch.round
    x = x.detach()
    x_adv = x.clone()  # line 1
    point, left = x, torch.arange(len(x), device=x.device)  # of the images that are not finished: where they are, which
    with Gradients(x) as gradients:
        for k in range(1, N + 1):  # line 2
            with torch.enable_grad():
                z = x_adv[left].requires_grad_()
                logits = answers(model, z)  # line 3
                on = ~(lead(logits, y) > (a if k > 1 else 0.0))  # line 4; at first for all that are wrong as they come
                if not on.any():
                    break  # line 5
                if not on.all():
                    y, left, point = y[on], left[on], point[on]
                    kept = tuple(one[on] for one in kept)
                value = surrogate(margin(logits[on], y), z[on], *kept)
                delta = direction(gradients.seen(gradient(value, z)[on], left))  # line 7
            point = (point + eps * delta).clamp(0, 1)  # line 8
            still = unusable(delta)[1].view(-1, 1, 1, 1)
            x_adv[left] = torch.where(still, x_adv[left], level(255 * point) / 255)  # line 9
            if quantise != "straight_through":
                point = x_adv[left]
    return x_adv  # line 11


def stepping(model: nn.Module, x: Tensor, y: Tensor, *, a: float, N: int) -> None:
    """Refuse what an attack of N steps cannot work with that goes on until another class leads by more than `a`."""
    checks.classified(model, x, y)
    checks.not_negative(a, "a", "a difference of logits")
    checks.whole(N, "N")
