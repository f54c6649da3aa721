"""Interval bounds against the exact range of a tiny network, region by region of its activations."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linprog
from torch import nn

from fairlib import attacks, runtime, training
from fairlib.defenses import Box, around, certified, interval_bounds, interval_leads, interval_training, linears

pytestmark = pytest.mark.usefixtures("no_trace")


def tiny(seed: int) -> nn.Sequential:
    """Two inputs, two hidden layers of three and of four, two answers."""
    sizes, g = (2, 3, 4, 2), runtime.generator(seed)
    model = nn.Sequential()
    for a, b in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, a, b)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(b, a, generator=g))
            layer.bias.copy_(torch.randn(b, generator=g) / 2)
        model.extend([layer, nn.ReLU()])
    return model[:-1].eval()


def exact_range(layers, low, high, output):
    """The least and the largest output . z over a box: a linear programme in each region of active neurons."""
    weights = [(layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()) for layer in layers]
    sizes = [len(b) for _, b in weights[:-1]]
    found = []
    for pattern in product((0.0, 1.0), repeat=sum(sizes)):
        a, c = np.eye(len(low)), np.zeros(len(low))  # activations are a @ x + c here
        sides, limits, start = [], [], 0
        for (w, b), size in zip(weights[:-1], sizes, strict=True):
            on = np.array(pattern[start : start + size])
            a, c = w @ a, w @ c + b
            sides.append(np.where(on, -1, 1)[:, None] * a)  # z >= 0 where on, z <= 0 where off
            limits.append(np.where(on, 1, -1) * c)
            a, c, start = on[:, None] * a, on * c, start + size
        w, b = weights[-1]
        slope, offset = output @ w @ a, output @ (w @ c + b)
        for sign in (1, -1):
            lp = linprog(
                sign * slope,
                np.concatenate(sides) if sides else None,
                np.concatenate(limits) if limits else None,
                bounds=list(zip(low, high, strict=True)),
            )
            if lp.status == 0:
                found.append(sign * lp.fun + offset)
    return min(found), max(found)


@pytest.mark.parametrize("seed", range(6))
def test_a_tiny_network_stays_within_its_bounds_which_are_loose_and_exact_at_first(seed):
    model = tiny(seed)
    x = torch.rand(1, 2, generator=runtime.generator(seed))
    for eps in (0.0, 0.05, 0.3):
        box = Box(x - eps, x + eps)
        bounds = interval_bounds(model, box)
        leads = interval_leads(model, box)[0]
        low, high = (end[0].double().numpy() for end in box)
        for depth in (1, 2, 3):
            for k in range(linears(model)[depth - 1].out_features):
                output = np.eye(linears(model)[depth - 1].out_features)[k]
                least, most = exact_range(linears(model)[:depth], low, high, output)
                bound = [end[0, k].item() for end in bounds[depth - 1]]
                assert bound[0] <= least + 1e-5 and bound[1] >= most - 1e-5
                if depth == 1 or eps == 0:
                    assert bound == pytest.approx([least, most], abs=1e-5)
        _, most = exact_range(linears(model), low, high, np.array([-1.0, 1.0]))
        by_difference = (bounds[-1].high[0, 1] - bounds[-1].low[0, 0]).item()
        assert most - 1e-5 <= leads[0, 1].item() <= by_difference + 1e-5 and leads[0, 0] == 0


def test_how_loose_they_are_grows_with_depth_and_budget():
    widths = {}
    for seed in range(6):
        model, x = tiny(seed), torch.rand(1, 2, generator=runtime.generator(seed))
        for eps in (0.05, 0.3):
            box = Box(x - eps, x + eps)
            low, high = (end[0].double().numpy() for end in box)
            least, most = exact_range(linears(model), low, high, np.array([0.0, 1.0]))
            end = interval_bounds(model, box)[-1]
            if most - least > 1e-3:  # else all is in a region where nothing is left to vary
                widths[seed, eps] = (end.high - end.low)[0, 1].item() / (most - least)
    ratios = np.array(list(widths.values()))
    assert (ratios > 1 - 1e-4).all() and 1.2 < np.median(ratios) < 20


def test_what_is_certified_no_attack_moves(digits):
    x, y = digits
    model = training.shipped("FullyConnected", "MNIST")
    for eps in (0.0, 1e-3, 3e-3):
        proven = certified(model, x, y, eps=eps)
        x_adv = attacks.apgd(model, x, y, eps=eps, iterations=20, generator=runtime.generator(0))
        with torch.no_grad():
            assert (model(x_adv).argmax(1) == y)[proven].all()
            if not eps:
                assert torch.equal(proven, model(x).argmax(1) == y)
    assert not certified(model, x, y, eps=0.1).any()


def test_training_on_the_bounds_certifies_more(digits):
    x, y = digits
    models = [training.initialised("FullyConnected", seed=0).eval() for _ in range(2)]
    options = {"epochs": 30, "generator": runtime.generator(0), "batch_size": 20}
    interval_training(models[0], x, y, eps=0.05, **options)
    interval_training(models[1], x, y, eps=0.0, **options)
    share = [certified(model, x, y, eps=0.02).double().mean() for model in models]
    assert share[0] > share[1] + 0.1


def test_without_a_budget_a_step_is_that_of_plain_training(digits):
    x, y = (part[:20] for part in digits)
    model, start = (training.initialised("FullyConnected", seed=2).eval() for _ in range(2))
    interval_training(model, x, y, eps=0.0, epochs=1, generator=runtime.generator(0), batch_size=20)
    steps = torch.autograd.grad(F.nll_loss(start(x), y), list(start.parameters()))
    for moved, weight, step in zip(model.parameters(), start.parameters(), steps, strict=True):
        torch.testing.assert_close(moved, weight - 0.05 * step)


def test_what_has_no_bounds_here_is_refused(digits):
    x, y = digits
    with pytest.raises(ValueError, match="the network has Conv2d, Linear, expected Linear only"):
        certified(training.shipped("LeNet5", "MNIST"), x, y, eps=0.1)
    with pytest.raises(ValueError, match="a layer with 3 outputs is followed by one with 4 inputs"):
        linears(nn.Sequential(tiny(0)[0], tiny(0)[4]).eval())
    with pytest.raises(ValueError, match="an upper end below its lower end"):
        interval_bounds(tiny(0), Box(torch.ones(1, 2), torch.zeros(1, 2)))
    with pytest.raises(ValueError, match="eps is 8"):
        around(x, 8)
    model = training.initialised("FullyConnected", seed=0).eval()
    with pytest.raises(ValueError, match="expected two rising shares of the training"):
        interval_training(model, x, y, eps=0.1, epochs=1, generator=runtime.generator(0), ramp=(0.5, 0.5))
