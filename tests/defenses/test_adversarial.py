"""Adversarial training against a loop of torch's own: to the bit without an attack, one step by hand with one."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from fairlib import attacks, runtime, training
from fairlib.defenses import adversarial_training

pytestmark = pytest.mark.usefixtures("no_trace")


def fresh(network="FullyConnected"):
    return training.initialised(network, seed=1).eval()


def plain(model, x, y, epochs, batch_size):
    """What one would write with torch alone."""
    generator = runtime.generator(3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(batch_size):
            optimiser.zero_grad()
            F.nll_loss(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model


@pytest.mark.parametrize("attack", [
    partial(attacks.fgsm, eps=0.0),
    partial(attacks.pgd, eps=0.0, step_size=0.1, iterations=2, generator=runtime.generator(0)),
], ids=["fgsm", "pgd"])  # fmt: skip
def test_without_a_budget_it_is_plain_training_to_the_bit(digits, attack):
    x, y = digits
    model = fresh()
    history = adversarial_training(model, x, y, attack, epochs=2, generator=runtime.generator(3), batch_size=30)
    expected = plain(fresh(), x, y, 2, 30)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), expected.parameters(), strict=True))
    assert len(history) == 2 and history[1] < history[0] and not model.training


def test_a_step_is_taken_on_the_images_under_attack_by_the_weights_of_that_moment(digits):
    x, y = (part[:50] for part in digits)
    model, start = fresh("LeNet5"), fresh("LeNet5")
    adversarial_training(
        model, x, y, partial(attacks.fgsm, eps=0.1), epochs=1, generator=runtime.generator(0), batch_size=50
    )
    loss = F.nll_loss(start(attacks.fgsm(start, x, y, eps=0.1)), y)
    for moved, weight, step in zip(
        model.parameters(), start.parameters(), torch.autograd.grad(loss, list(start.parameters())), strict=True
    ):
        torch.testing.assert_close(moved, weight - 0.05 * step)


def test_what_does_not_fit_is_refused(digits):
    x, y = digits
    train = partial(adversarial_training, epochs=1, generator=runtime.generator(0))
    nothing = lambda model, x, y: x  # noqa: E731
    with pytest.raises(ValueError, match="expected evaluation mode"):
        train(fresh().train(), x, y, nothing)
    with pytest.raises(ValueError, match="expected a tensor like its images"):
        train(fresh(), x, y, lambda model, x, y: x[:3])
    with pytest.raises(ValueError, match="training diverged; lower lr"):
        train(fresh(), x, y, nothing, lr=1e30)
    with pytest.raises(ValueError, match="epochs is 0"):
        adversarial_training(fresh(), x, y, nothing, epochs=0, generator=runtime.generator(0))
