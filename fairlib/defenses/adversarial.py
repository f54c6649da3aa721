"""Training on what an attacker would make of the images (Goodfellow et al. 2015; Madry et al. 2018)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checks, runtime
from fairlib.models import LayeredModel

Attack = Callable[[LayeredModel, Tensor, Tensor], Tensor]  # (model, x, y) -> x_adv, like x
Loss = Callable[[LayeredModel, Tensor, Tensor, float], Tensor]  # (model, x, y, share of the steps done) -> a number


def adversarial_training(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    attack: Attack,
    *,
    epochs: int,
    generator: torch.Generator,
    lr: float = 0.05,
    momentum: float = 0.9,
    batch_size: int = 100,
) -> list[float]:
    """Train a network in place on its own attacked images; it is in evaluation mode, before and after.

    Parameters
    ----------
    model : LayeredModel
        In evaluation mode; its model(x) are log-probabilities (N, K).
    x : Tensor
        Images (N, C, H, W) of the model's shape, float32 in [0, 1].
    y : Tensor
        Labels (N,), int64 in [0, K - 1].
    attack : callable
        (model, x, y) -> x_adv, a tensor like x, asked for each batch with the weights of that moment; such as
        `functools.partial(fairlib.attacks.pgd, eps=0.1, step_size=0.025, iterations=7)`.
    epochs : int
        How many.
    generator : Generator
        Draws the order of the images.
    lr, momentum : float
        Of the descent.
    batch_size : int
        Images in a step.

    Returns
    -------
    list of float
        The mean loss of each epoch.

    Raises
    ------
    ValueError
        For bad input, an attack whose answer is not like its images, and a loss that is no longer finite.

    Notes
    -----
    A step is stochastic gradient descent with momentum on the mean of -log p_theta(y_i | attack(x_i)) over its batch:
    Madry et al.'s equation 2.1 with the inner maximum left to the attack. An attack that moves nothing makes it plain
    training, to the bit; one that adds noise, the training that goes with randomised smoothing.

    References
    ----------
    Madry, Makelov, Schmidt, Tsipras and Vladu (2018), Towards Deep Learning Models Resistant to Adversarial Attacks,
    sections 2 and 5.
    """

    def loss(model: LayeredModel, x: Tensor, y: Tensor, done: float) -> Tensor:
        x_adv = attack(model, x, y)
        if not isinstance(x_adv, Tensor) or x_adv.shape != x.shape:
            what = tuple(x_adv.shape) if isinstance(x_adv, Tensor) else type(x_adv).__name__
            raise ValueError(f"the attack answers with {what}, expected a tensor like its images {tuple(x.shape)}")
        return F.nll_loss(model(x_adv.detach()), y)

    return descend(
        model, x, y, loss, epochs=epochs, generator=generator, lr=lr, momentum=momentum, batch_size=batch_size
    )


def descend(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    loss: Loss,
    *,
    epochs: int,
    generator: torch.Generator,
    lr: float,
    momentum: float,
    batch_size: int,
) -> list[float]:
    """Stochastic gradient descent on any loss(model, x, y, share of the steps done), as `adversarial_training` says."""
    checks.instance(model, LayeredModel, "the model", "write yours as one: it is trained on log-probabilities")
    checks.fitting(model, x)
    checks.labels(y, len(x), model.classes)
    checks.whole(epochs, "epochs")
    checks.whole(batch_size, "batch_size")
    checks.positive(lr, "lr", "the learning rate")
    checks.unit(momentum, "momentum")
    checks.generator(generator)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    steps = -(-len(x) // batch_size)
    history = []
    with runtime.threads(1):
        for epoch in runtime.progress(range(epochs), f"training {type(model).__name__}"):
            total = torch.zeros((), device=x.device)
            order = torch.randperm(len(x), generator=generator).to(x.device)
            for step, batch in enumerate(order.split(batch_size)):
                value = loss(model, x[batch], y[batch], (epoch + step / steps) / epochs)
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                total += value.detach() * len(batch)
            if not total.isfinite():
                raise ValueError(f"the loss is {total.item()} in epoch {epoch + 1}: training diverged; lower lr ({lr})")
            history.append(total.item() / len(x))
    return history
