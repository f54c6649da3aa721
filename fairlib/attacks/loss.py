"""The loss that attacks climb, right in float32 however sure the network is; every attack and Algorithm 2 take it here.

With z the network's answer, logits or log-probabilities alike, the cross-entropy J = -log softmax(z)_y depends on z
only through the margin m = log(sum over j != y of exp(z_j)) - z_y, and grows with it: J = log(1 + exp(m)). As the
network gets surer, J falls to 0 like exp(m) and so does its gradient; where softmax(z)_y rounds to 1, -log of it has
none left. m has no such end: grad J = sigmoid(m) grad m, so that sign and direction can be had from m itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import checks


def answers(model: nn.Module, x: Tensor) -> Tensor:
    """What the model answers to a copy of x, into which it may write: z (N, K), logits or log-probabilities.

    Raises ValueError for an answer of another shape and for fewer than two classes; where x requires a gradient, for an
    answer that does not depend on x in PyTorch's graph, and for one of -inf, whose gradient is lost.
    """
    z = model(x.clone())
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != len(x) or z.shape[1] < 2:
        what = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"
        raise ValueError(
            f"the model answers {len(x)} images with {what}, expected ({len(x)}, K) for K >= 2 classes; a network with "
            "one output needs a second column, torch.cat([0 * z, z], 1)"
        )
    if x.requires_grad and torch.is_grad_enabled() and not depends(z, x):
        raise ValueError(
            "the model's answer has no gradient with respect to the images: something inside leaves PyTorch's graph "
            "(JPEG, numpy, .detach(), torch.no_grad()); put a differentiable stand-in there, or let the gradient pass "
            "straight through, x + (f(x) - x).detach()"
        )
    if z.requires_grad and (lost := z.detach().isneginf().any(1)).any():
        raise ValueError(
            f"the model answers -inf for {named(lost)}, so that its gradient is lost: log(softmax(z)) does so where a "
            "probability rounds to 0; let it end in z itself or in torch.log_softmax(z, 1)"
        )
    return z


def depends(value: Tensor, x: Tensor) -> bool:
    """Whether a value was computed from the leaf x, as far as PyTorch's graph knows."""
    todo, known = [value.grad_fn], {None}
    while todo:
        if (node := todo.pop()) not in known:
            known.add(node)
            if getattr(node, "variable", None) is x:
                return True
            todo.extend(before for before, _ in node.next_functions)
    return False


def margin(z: Tensor, y: Tensor) -> Tensor:
    """m = log(sum over j != y of exp(z_j)) - z_y: z (N, K) logits or log-probabilities, y (N,) int64 -> (N,).

    Raises ValueError for labels that are none of the K classes.
    """
    return _away(z, y).logsumexp(1)


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """J = -log softmax(z)_y = log(1 + exp(m)), image by image: (N, K), (N,) -> (N,), 0 or more; errors as `margin`."""
    return F.softplus(margin(z, y))


def lead(z: Tensor, y: Tensor) -> Tensor:
    """max over j != y of z_j - z_y, the lead of the best wrong class: (N, K), (N,) -> (N,); errors as `margin`."""
    return _away(z, y).amax(1)


def _away(z: Tensor, y: Tensor) -> Tensor:
    """z_j - z_y, with -inf for j = y: (N, K)."""
    checks.labels(y, *z.shape)
    own = y.clone()[:, None]  # a copy: what autograd keeps must not come from inference mode
    return (z - z.gather(1, own)).scatter(1, own, -torch.inf)


def named(images: Tensor) -> str:
    """Some images by their places in the batch, for a message: (N,) bool -> "images 3, 17 and 4 others"."""
    places = images.nonzero()[:, 0].tolist()
    more = len(places) - 10
    shown = ", ".join(map(str, places[:10])) + (f" and {more} other{'s' * (more > 1)}" if more > 0 else "")
    return f"{'images' if len(places) > 1 else 'image'} {shown} of {len(images)}"
