"""FGSM against a closed form, Foolbox and its definition; and mutants of it, which the same checks find."""

import copy

import foolbox
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import Logits, doubted, same_but_for_noise
from torch import nn

from fairlib.attacks import fgsm, fgsm_grid, input_gradient
from fairlib.attacks.loss import margin
from fairlib.models import LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")


class Linear(LayeredModel):
    """log-softmax(W x + b) on images of six pixels and four classes; the last pixel has no weight."""

    shape = (1, 2, 3)
    classes = 4

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            self.linear.weight.copy_(torch.randn(4, 6, generator=generator))
            self.linear.weight[:, 5] = 0
            self.linear.bias.copy_(torch.randn(4, generator=generator))

    def layers(self, x):
        yield "linear", self.linear(x.flatten(1))
        yield "log_softmax", F.log_softmax(self.linear(x.flatten(1)), dim=1)


with torch.random.fork_rng(devices=[]):
    LINEAR = Linear().eval()
GENERATOR = torch.Generator().manual_seed(4)
X, Y = torch.rand(32, 1, 2, 3, generator=GENERATOR), torch.arange(32) % 4


def agrees_with_the_closed_form(attack) -> None:
    """On a linear model grad_x J = sum_k p_k W_k - W_y, here in float64 and without any autograd."""
    weight, bias = (p.detach().double().numpy() for p in LINEAR.parameters())
    x = X.double().numpy().reshape(32, 6)
    scores = np.exp(x @ weight.T + bias)
    gradient = scores / scores.sum(1, keepdims=True) @ weight - weight[Y.numpy()]
    assert (np.abs(gradient[:, :5]) > 1e-5).all() and (gradient[:, 5] == 0).all(), "the signs are beyond doubt"
    for eps in (0.05, 0.5):
        expected = np.clip(x + eps * np.sign(gradient), 0, 1).reshape(X.shape)
        np.testing.assert_allclose(attack(LINEAR, X, Y, eps=eps).numpy(), expected, atol=1e-6)


def agrees_with_its_definition_image_by_image(attack) -> None:
    for x, y in zip(X.split(1), Y.split(1), strict=True):
        pixels = x.clone().requires_grad_()
        (-LINEAR(pixels)[0, y]).backward()
        LINEAR.zero_grad(set_to_none=True)
        expected = (x + 0.2 * pixels.grad.sign()).clip(0, 1)
        torch.testing.assert_close(attack(LINEAR, x, y, eps=0.2), expected, rtol=0, atol=1e-6)
    whole = attack(LINEAR, X, Y, eps=0.2)
    parts = [attack(LINEAR, x, y, eps=0.2) for x, y in zip(X.split(5), Y.split(5), strict=True)]
    torch.testing.assert_close(whole, torch.cat(parts), rtol=0, atol=1e-6)


def stays_within_the_budget(attack) -> None:
    for eps in (0.0, 1 / 255, 0.3, 1.0):
        x_adv = attack(LINEAR, X, Y, eps=eps)
        assert (x_adv - X).abs().max() <= eps + 1e-6
        assert x_adv.min() >= 0 and x_adv.max() <= 1


def raises_the_loss(attack) -> None:
    def loss(x):
        return F.nll_loss(LINEAR(x), Y, reduction="none")

    with torch.no_grad():
        assert (loss(attack(LINEAR, X, Y, eps=0.01)) > loss(X)).all()


def leaves_the_caller_alone(attack) -> None:
    model, x, y = copy.deepcopy(LINEAR), X.clone(), Y.clone()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    x.requires_grad_()
    x_adv = attack(model, x, y, eps=0.1)
    assert torch.equal(x, X) and torch.equal(y, Y)
    assert x.requires_grad and x.grad is None
    assert not x_adv.requires_grad and x_adv.data_ptr() != x.data_ptr()
    assert not model.training
    assert all((p.grad == 7).all() and p.requires_grad for p in model.parameters())


CHECKS = [
    agrees_with_the_closed_form,
    agrees_with_its_definition_image_by_image,
    stays_within_the_budget,
    raises_the_loss,
    leaves_the_caller_alone,
]


@pytest.mark.parametrize("check", CHECKS)
def test_fgsm(check):
    check(fgsm)


def sign_flipped(model, x, y, *, eps):
    return (x - eps * input_gradient(model, x, y).sign()).clamp(0, 1).detach()


def not_clipped(model, x, y, *, eps):
    return (x + eps * input_gradient(model, x, y).sign()).detach()


def half_the_budget(model, x, y, *, eps):
    return fgsm(model, x, y, eps=eps / 2)


def no_op(model, x, y, *, eps):
    return x.detach().clone()


def one_direction_for_the_batch(model, x, y, *, eps):
    return (x + eps * input_gradient(model, x, y).mean(0).sign()).clamp(0, 1).detach()


def gradient_without_sign(model, x, y, *, eps):
    gradient = input_gradient(model, x, y)
    return (x + eps * gradient / gradient.abs().amax((1, 2, 3), keepdim=True)).clamp(0, 1).detach()


def towards_the_predicted_label(model, x, y, *, eps):
    return fgsm(model, x, model(x).argmax(1), eps=eps)


def in_place(model, x, y, *, eps):
    return x.detach().copy_(fgsm(model, x, y, eps=eps))


def through_backward(model, x, y, *, eps):
    F.nll_loss(model(x), y).backward()
    return fgsm(model, x, y, eps=eps)


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        (sign_flipped, agrees_with_the_closed_form),
        (sign_flipped, raises_the_loss),
        (not_clipped, agrees_with_the_closed_form),
        (not_clipped, stays_within_the_budget),
        (half_the_budget, agrees_with_the_closed_form),
        (no_op, agrees_with_the_closed_form),
        (no_op, raises_the_loss),
        (one_direction_for_the_batch, agrees_with_the_closed_form),
        (one_direction_for_the_batch, agrees_with_its_definition_image_by_image),
        (gradient_without_sign, agrees_with_the_closed_form),
        (towards_the_predicted_label, agrees_with_the_closed_form),
        (in_place, leaves_the_caller_alone),
        (through_backward, leaves_the_caller_alone),
    ],
)
def test_a_mutant_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


@pytest.mark.parametrize("eps", [0.1, 8 / 255])
def test_fgsm_equals_foolbox(model, digits, eps):
    x, y = (part[doubted(model, *digits)] for part in digits)
    assert len(x) > 50
    theirs = foolbox.PyTorchModel(Logits(copy.deepcopy(model)).eval(), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfFastGradientAttack()
    expected = attack.run(theirs, x, foolbox.criteria.Misclassification(y), epsilon=eps)
    same_but_for_noise(fgsm(model, x, y, eps=eps), expected, 1e-4)


def test_fgsm_halves_the_accuracy_of_the_shipped_networks(model, digits):
    x, y = digits
    with torch.no_grad():
        before, after = ((model(images).argmax(1) == y).sum() for images in (x, fgsm(model, x, y, eps=0.2)))
    assert after < before / 2


PIXELS = st.floats(0, 1, width=32) | st.integers(0, 255).map(lambda k: float(np.float32(k / 255)))
BATCHES = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        arrays(np.float32, (n, *LINEAR.shape), elements=PIXELS), arrays(np.int64, n, elements=st.integers(0, 3))
    )
)


@settings(max_examples=60, deadline=None)
@given(batch=BATCHES, eps=st.floats(0, 1))
def test_budget_and_range_hold_for_any_image(batch, eps):
    x, y = map(torch.from_numpy, batch)
    x_adv = fgsm(LINEAR, x, y, eps=eps)
    assert (x_adv.shape, x_adv.dtype) == (x.shape, x.dtype)
    assert ((x_adv >= 0) & (x_adv <= 1)).all()
    assert ((x_adv - x).abs() <= eps + 1e-6).all()
    assert torch.equal(fgsm(LINEAR, x, y, eps=0), x)


@settings(max_examples=25, deadline=None)
@given(batch=BATCHES, grid=st.lists(st.floats(0, 1), max_size=4))
def test_a_grid_gives_each_budget_in_turn(batch, grid):
    x, y = map(torch.from_numpy, batch)
    found = list(fgsm_grid(LINEAR, x, y, eps=grid))
    assert len(found) == len(grid)
    assert all(torch.equal(x_adv, fgsm(LINEAR, x, y, eps=eps)) for x_adv, eps in zip(found, grid, strict=True))


def test_a_grid_takes_the_gradient_once(monkeypatch):
    calls = []
    monkeypatch.setattr(LINEAR, "forward", lambda x: calls.append(1) or Linear.forward(LINEAR, x))
    list(fgsm_grid(LINEAR, X, Y, eps=[0.1, 0.2, 0.3]))
    assert len(calls) == 1


def test_the_gradient_is_each_images_own():
    """A batch's gradient is not divided by its size, nor mixed over its images."""
    alone = torch.cat([input_gradient(LINEAR, x, y) for x, y in zip(X.split(1), Y.split(1), strict=True)])
    torch.testing.assert_close(input_gradient(LINEAR, X, Y), alone)


def test_the_gradient_equals_finite_differences():
    step = 1e-2
    difference = torch.zeros_like(X)
    with torch.no_grad():
        for pixel in range(6):
            shift = torch.zeros(6)
            shift[pixel] = step
            up, down = (margin(LINEAR(X + s * shift.view(1, 2, 3)), Y) for s in (1, -1))
            difference.view(32, 6)[:, pixel] = (up - down) / (2 * step)
    torch.testing.assert_close(input_gradient(LINEAR, X, Y), difference, rtol=0, atol=1e-3)


def test_it_works_where_gradients_are_switched_off():
    with torch.no_grad():
        assert torch.equal(fgsm(LINEAR, X, Y, eps=0.1), fgsm(LINEAR, X, Y, eps=0.1))
        assert not torch.is_grad_enabled()
        agrees_with_the_closed_form(fgsm)


def test_the_caller_is_left_alone_after_an_exception():
    class Broken(Linear):
        def layers(self, x):
            yield "linear", self.linear(x.flatten(1))
            raise MemoryError

    with torch.random.fork_rng(devices=[]):
        model = Broken().eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    x = X.clone().requires_grad_()
    with pytest.raises(MemoryError):
        fgsm(model, x, Y, eps=0.1)
    assert torch.equal(x, X) and x.requires_grad and x.grad is None
    assert not model.training
    assert all((p.grad == 7).all() and p.requires_grad for p in model.parameters())
