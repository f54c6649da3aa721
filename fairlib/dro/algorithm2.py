"""Algorithm 2 of the second paper: the adversarial data set D_rob (section 4.2)."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from fairlib import checks, fingerprint, runtime
from fairlib.attacks import gradient, margin_at, unusable
from fairlib.dro.descent import Diverged, check, descend, device
from fairlib.dro.store import Store
from fairlib.dro.weighting import SCALINGS, WeightedImages, sample, sampling_weights

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]


@torch.inference_mode(False)
def adversarial_data(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    attack: Attack,
    lr: float,
    generator: torch.Generator,
    iterations: int = 3,
    batch_size: int = 32,
    scaling: str = "normalised",
    folder: Path | None = None,
) -> WeightedImages:
    """Train a copy of a model on what is sampled, and keep attacks on it as it is by then.

    Parameters
    ----------
    model : Module
        theta_0, any classifier; model(x) logits or log-probabilities (N, K). It is and stays in evaluation mode:
        BatchNorm and dropout do what they do in use.
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].
    y : Tensor
        Labels (N,), int64 in [0, K - 1].
    attack : callable
        `attack(model, x, y) -> x_adv`, any of `fairlib.attacks` with its hyperparameters set; one that draws shares
        `generator`.
    lr : float
        alpha, the learning rate.
    generator : Generator
        Draws what is sampled.
    iterations : int
        T1.
    batch_size : int
        Images that make one step and are attacked at once.
    scaling : str
        What a weight does in the step, one of `SCALINGS`.
    folder : path, optional
        Where D_rob lies for `load`, its images in a file that is mapped into memory. An interrupted run goes on from
        its last state (one a minute) with the same bits; it knows the attack and the model by their code, settings and
        weights (`fairlib.fingerprint`).

    Returns
    -------
    WeightedImages
        D_rob: the N images, then T1 * N attacks, with `sampling_weights(N, T1)`.

    Raises
    ------
    ValueError
        For bad input, or the folder of another run.
    Diverged
        (A ValueError.) Where the loss, a gradient or theta is no longer finite.

    Notes
    -----
    From theta = theta_0, D = {x_i, y_i} and P = 1, iteration k = 1, ..., T1 samples N images of D in proportion to P,
    with replacement, and for each of them, i = 1, ..., N, does

        theta <- theta - alpha P_i grad_theta l(theta; x_i, y_i),
        D <- D + {attack(theta, x_i, y_i), y_i}, of weight (k - 1) N + i,

    l being the cross-entropy. What an iteration samples may be an attack of an earlier one. One CPU thread.

    Deviations from the paper:

    - It goes image by image, which is `batch_size=1`. Here a batch makes one step, the mean of its images' steps, and
      is then attacked at once.
    - It steps by alpha * P_i, which is `scaling="raw"`. The other `SCALINGS` keep the steps finite.

    References
    ----------
    Second paper, section 4.2, Algorithm 2.
    """
    classes = check(model, x, lr=lr, batch_size=batch_size, scaling=scaling, iterations=iterations)
    checks.labels(y, len(x), classes)
    checks.generator(generator)
    theta, N, weights = copy.deepcopy(model), len(x), sampling_weights(len(x), iterations)
    run = {
        "lr": lr, "iterations": iterations, "batch_size": batch_size, "scaling": scaling,
        "attack": fingerprint.of(attack), "data": fingerprint.of(x, y, model),
    }  # fmt: skip
    store = Store(folder, run, x, y, weights)
    order, attacked = store.begin(theta, generator)
    with runtime.threads(1):
        for k in runtime.progress(range(1 + attacked // N, iterations + 1), "Algorithm 2"):
            D = slice(0, k * N)
            if attacked == (k - 1) * N:
                order = sample(weights[D], N, generator)
            step_weights = SCALINGS[scaling](weights[D])[order]
            for i in range(attacked - (k - 1) * N, N, batch_size):
                batch = slice(i, min(i + batch_size, N))
                images, labels = (part[order[batch]].to(device(theta)) for part in (store.x, store.y))
                where = f"iteration {k}, image {i + 1}"
                descend(theta, images, labels, step_weights[batch], lr, where)
                x_adv = _attacked(theta, images, labels, attack, where)
                added = slice(k * N + batch.start, k * N + batch.stop)
                store.x[added], store.y[added] = x_adv.cpu(), labels.cpu()
                attacked = added.stop - N
                store.save(theta, generator, order, attacked)
    return store.finish()


def _attacked(theta: nn.Module, x: Tensor, y: Tensor, attack: Attack, where: str) -> Tensor:
    """attack(theta, x, y); where that fails for want of a finite gradient, the training is what went wrong."""
    try:
        return attack(theta, x, y)
    except ValueError as error:
        lost, _ = unusable(gradient(*margin_at(theta, x, y)))
        if not lost.any():
            raise
        raise Diverged(f"the gradient at {where} is not finite: lower lr, or take scaling='normalised'") from error
