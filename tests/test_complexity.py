"""Multiply-adds against closed forms and a counter, Algorithm 1 against the defence, times on a clock of its own."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fairlib import complexity, data
from fairlib.complexity import EqualLayers
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")


def equal(depth: int, width: int, sets: int = 1) -> tuple[EqualLayers, torch.Tensor, torch.Tensor]:
    """The network of the proposition, centroids (S, 10, 1, 1, width) and twenty images, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return (
            EqualLayers(depth, width).eval(),
            torch.rand(sets, 10, 1, 1, width),
            torch.rand(20, 1, 1, width),
        )


@pytest.mark.parametrize(("depth", "width"), [(1, 10), (3, 16)])
def test_equal_layers_is_the_network_of_the_proposition(depth, width):
    model, _, x = equal(depth, width)
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    assert [tuple(w.shape) for w in weights] == depth * [(width, width)]
    a = x.flatten(1)
    for i, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
        z = a @ w.T + b
        a = z.clamp(min=0) if i < depth else z - z.exp().sum(1, keepdim=True).log()
    torch.testing.assert_close(model(x), a)
    names = [name for name, _ in model.layers(x)]
    assert set(model.released_taps) | set(model.paper_taps) <= set(names)
    assert len(model.released_taps) == len(model.paper_taps) == depth


@pytest.mark.parametrize(("depth", "width"), [(0, 64), (3, 9)])
def test_equal_layers_refuses(depth, width):
    with pytest.raises(ValueError, match=r"depth is 0, expected .* 1 or more|width is 9, expected .* 10 or more"):
        EqualLayers(depth, width)


@pytest.mark.parametrize(("depth", "width", "sets"), [(1, 10, 1), (4, 32, 1), (5, 16, 3)])
def test_macs_in_closed_form(depth, width, sets):
    model, centroids, _ = equal(depth, width, sets)
    n, d, classes = depth, width, 10 * sets
    assert complexity.macs(CentroidDefense(model, centroids, [0.3] * 10)) == {
        "inference": n * d**2,
        "proof": n * d**2 + 3 * n * d,
        "kept": n * d**2 + (classes + 1) * n * d,
        "carried": (classes + 1) * n * d**2 + 3 * classes * n * d,
        "printed": (classes + 1) * n * (n + 1) // 2 * d**2 + 3 * classes * n * d,
    }


def test_macs_of_the_papers_networks_by_hand(model):
    """784-64-64-64-64-64-64-10; and 28x28 -> 6 maps of 28x28 -> 16 of 10x10 -> 400-120-84-10."""
    fully_connected = [784 * 64, *5 * [64 * 64], 64 * 10]
    convolutional = [28 * 28 * 6 * 25, 10 * 10 * 16 * 6 * 25, 400 * 120, 120 * 84, 84 * 10]
    layers, features, up_to = {
        "FullyConnected": (fully_connected, 6 * 64 + 10, np.cumsum(fully_connected)),
        "LeNet5": (convolutional, 4704 + 1600 + 120 + 84 + 10 + 10, np.cumsum([*convolutional, 0])),
    }[type(model).__name__]
    found = complexity.macs(CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST")))
    assert found["inference"] == sum(layers)
    assert found["kept"] == sum(layers) + 11 * features
    assert found["printed"] == 11 * up_to.sum() + 30 * features


def test_macs_follow_the_taps(model):
    """Leaving a tap out leaves its activations out, and nothing of the network."""
    centroids, alpha = data.centroids("MNIST"), data.alphas("MNIST")
    every = complexity.macs(CentroidDefense(model, centroids, alpha))
    fewer = complexity.macs(CentroidDefense(model, centroids, alpha, taps=model.released_taps[1:]))
    first = next(a for name, a in model.layers(centroids[:1]) if name == model.released_taps[0]).numel()
    assert (every["inference"], every["kept"] - 11 * first) == (fewer["inference"], fewer["kept"])


def test_the_products_are_those_that_pytorch_counts(model):
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    with FlopCounterMode(display=False) as counter:
        defense.distances(torch.zeros(1, 1, 28, 28))
    norms = sum(direction.shape[1] for direction in defense.directions.values())
    assert complexity.macs(defense)["kept"] == counter.get_total_flops() // 2 + norms


@pytest.mark.parametrize("shift", [-0.1, 0, 0.1])
def test_algorithm_1_gives_the_votes_of_the_defence(model, digits, shift):
    x, centroids, alpha = digits[0][:25], data.centroids("MNIST"), data.alphas("MNIST") + shift
    found = torch.stack([complexity.algorithm1(model, image, centroids, alpha) for image in x.split(1)])
    assert torch.equal(found, CentroidDefense(model, centroids, alpha, comparison="lt").tally(x))
    assert len(found.unique(dim=0)) > 5  # or the votes would say little


def test_algorithm_1_asks_for_less_than_the_threshold():
    """Where every weight is 0, two hidden layers are dead and at distance 1/2, and the last one's answers are equal."""
    model, centroids, x = equal(3, 16)
    for parameter in model.parameters():
        parameter.data.zero_()
    assert complexity.algorithm1(model, x[:1], centroids[0], [0.5] * 10).tolist() == 10 * [1]
    assert complexity.algorithm1(model, x[:1], centroids[0], [0.501] * 10).tolist() == 10 * [3]


def test_algorithm_1_evaluates_from_the_pixels_each_time():
    """n layers, eleven images each, i layers deep: 11 n (n + 1) / 2 linear layers in all."""
    model, centroids, x = equal(4, 16)
    calls = []
    for layer in model.children():
        layer.register_forward_hook(lambda *_: calls.append(1))
    complexity.algorithm1(model, x[:1], centroids[0], [0.3] * 10)
    assert len(calls) == 11 * (1 + 2 + 3 + 4)


def test_algorithm_1_refuses(model, digits):
    centroids, alpha = data.centroids("MNIST"), data.alphas("MNIST")
    with pytest.raises(ValueError, match="holds 2 images, expected one"):
        complexity.algorithm1(model, digits[0][:2], centroids, alpha)
    with pytest.raises(ValueError, match="centroids has shape"):
        complexity.algorithm1(model, digits[0][:1], centroids[:, 0], alpha)
    with pytest.raises(ValueError, match="divide 8-bit pixels by 255"):
        complexity.algorithm1(model, digits[0][:1].mul(255).byte(), centroids, alpha)


class Clock:
    """Seconds that pass only when a call says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(complexity.time, "thread_time", lambda: self.now)

    def call(self, seconds):
        """A call that takes the next of `seconds`."""
        seconds = iter(seconds)
        return lambda: setattr(self, "now", self.now + next(seconds))


def test_times_are_the_least_of_each_round(monkeypatch):
    clock = Clock(monkeypatch)
    calls = {"a": clock.call([3, 1, 2, 5, 6, 4]), "b": clock.call([7, 8, 9, 1, 1, 1])}
    found = complexity.times(calls, rounds=2, repeats=3)
    assert found.to_dict("list") == {"a": [1, 4], "b": [7, 1]}


def test_times_takes_the_calls_in_turn():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = complexity.times(calls, rounds=2, repeats=2)
    assert "".join(order) == "abababab"
    assert found.shape == (2, 2) and (found >= 0).all(axis=None)


def test_times_runs_on_one_thread():
    threads = []
    complexity.times({"a": lambda: threads.append(torch.get_num_threads())}, rounds=1, repeats=1)
    assert threads == [1]


@pytest.mark.parametrize(("calls", "rounds", "repeats"), [({}, 1, 1), ({"a": int}, 0, 1), ({"a": int}, 1, 0)])
def test_times_refuses(calls, rounds, repeats):
    with pytest.raises(ValueError, match=r"expected (functions without arguments|a whole number of 1 or more)"):
        complexity.times(calls, rounds=rounds, repeats=repeats)


def test_slopes_of_power_laws():
    sizes = np.array([2, 3, 5, 11])
    table = pd.DataFrame([7 * sizes**2.0, 3 / sizes, np.full(4, 5.0)], ["square", "inverse", "flat"], sizes)
    assert complexity.slopes(table).to_dict() == pytest.approx({"square": 2, "inverse": -1, "flat": 0})


@pytest.mark.parametrize(("sizes", "values"), [([1, 2], [1.0, 0.0]), ([1, 2], [1.0, -1.0]), ([0, 2], [1.0, 1.0])])
def test_slopes_refuses_what_has_no_logarithm(sizes, values):
    with pytest.raises(ValueError, match="has no logarithm"):
        complexity.slopes(pd.DataFrame([values], columns=sizes))
