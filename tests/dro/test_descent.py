"""The step that both algorithms take, and what it says when it fails."""

import copy
from functools import partial

import pytest
import torch
from dro.cases import Logistic, made
from torch import nn

from fairlib import dro, runtime, training
from fairlib.dro import descent

pytestmark = pytest.mark.usefixtures("no_trace")


def test_a_step_is_the_weighted_mean_of_the_images_steps(few):
    """With torch's own loss, one image at a time."""
    x, y = few
    theta, twin = Logistic(), Logistic()
    weights = torch.rand(len(x), generator=runtime.generator(1))
    descent.descend(theta, x, y, weights, 0.3, "nowhere")
    (weights * nn.functional.cross_entropy(twin(x), y, reduction="none")).mean().backward()
    for found, before in zip(theta.parameters(), twin.parameters(), strict=True):
        assert before.grad.abs().max() > 1e-3
        torch.testing.assert_close(found, before - 0.3 * before.grad)


def test_what_needs_no_gradient_stays(few):
    theta = Logistic()
    theta.linear.bias.requires_grad_(False)
    before = copy.deepcopy(theta)
    descent.descend(theta, *few, torch.ones(len(few[0])), 0.3, "nowhere")
    assert torch.equal(theta.linear.bias, before.linear.bias)
    assert not torch.equal(theta.linear.weight, before.linear.weight)


def test_steps_that_diverge_are_said_so(digits):
    model = training.initialised("FullyConnected", seed=0).eval()
    with pytest.raises(dro.Diverged, match=r"the loss is .* in iteration 1, image 1.*lower lr \(1e\+30\)"):
        made(digits, model=model, lr=1e30)
    rob = made(digits, model=model)
    for trained in (partial(dro.train, seed=0), partial(dro.train_many, seeds=[0, 1])):
        with pytest.raises(dro.Diverged, match=r"round 1, .* or a weight is no longer finite"):
            trained(model, rob, lr=1e30, scaling="raw")
