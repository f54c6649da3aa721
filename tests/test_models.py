"""The networks against a textbook spelling of them, and the taps against what they name."""

import pytest
import torch
from torch import nn

from fairlib.models import NETWORKS, LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")
HIDDEN = ("linear_in", "linear1", "linear2", "linear3", "linear4", "linear5")
# Names and shapes of the released state dicts: (outputs, inputs, ...).
RELEASED = {
    "FullyConnected": {"linear_in": (64, 784), **dict.fromkeys(HIDDEN[1:], (64, 64)), "linear_out": (10, 64)},
    "LeNet5": {"conv1": (6, 1, 5, 5), "conv2": (16, 6, 5, 5), "fc1": (120, 400), "fc2": (84, 120), "fc3": (10, 84)},
}


def released_weights(network: str) -> dict[str, torch.Tensor]:
    """A state dict with the released names and shapes, filled at random."""
    generator = torch.Generator().manual_seed(5)
    shapes = {f"{name}.weight": shape for name, shape in RELEASED[network].items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in RELEASED[network].items()}
    return {name: torch.randn(shape, generator=generator) / 8 for name, shape in shapes.items()}


def textbook(network: str, weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """The same network, layer after layer, in torch's own words."""
    if network == "FullyConnected":
        named = {}
        for name in HIDDEN:
            named[name] = nn.Linear(*reversed(RELEASED[network][name]))
            named[f"{name}.relu"] = nn.ReLU()
        steps = {"flatten": nn.Flatten(), **named, "linear_out": nn.Linear(64, 10)}
    else:
        steps = {
            "conv1": nn.Conv2d(1, 6, 5, padding=2), "conv1.relu": nn.ReLU(), "pool1": nn.MaxPool2d(2),
            "conv2": nn.Conv2d(6, 16, 5), "conv2.relu": nn.ReLU(), "pool2": nn.MaxPool2d(2), "flatten": nn.Flatten(),
            "fc1": nn.Linear(400, 120), "fc1.relu": nn.ReLU(),
            "fc2": nn.Linear(120, 84), "fc2.relu": nn.ReLU(),
            "fc3": nn.Linear(84, 10),
        }  # fmt: skip
    steps["log_softmax"] = nn.LogSoftmax(1)
    for name in RELEASED[network]:
        steps[name].load_state_dict({part: weights[f"{name}.{part}"] for part in ("weight", "bias")})
    sequence = nn.Sequential()
    for name, step in steps.items():
        sequence.add_module(name.replace(".", "_"), step)
    return sequence


@pytest.fixture(params=RELEASED)
def case(request):
    """(name, network with the weights above, its textbook twin); the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        weights = released_weights(request.param)
        network = NETWORKS[request.param]()
        network.load_state_dict(weights)
        return request.param, network.eval(), textbook(request.param, weights)


def test_names_and_shapes_are_the_released_ones(case):
    name, network, _ = case
    assert {key: value.shape for key, value in network.state_dict().items()} == {
        key: value.shape for key, value in released_weights(name).items()
    }


def test_sizes():
    """Counted by hand: 784*64+64 + 5*(64*64+64) + 64*10+10, and LeNet-5's 61,706."""
    for name, size in (("FullyConnected", 71_690), ("LeNet5", 61_706)):
        with torch.device("meta"):
            assert sum(p.numel() for p in NETWORKS[name]().parameters()) == size


def test_every_layer_equals_the_textbooks(case, digits):
    _, network, twin = case
    x, _ = digits
    expected, a = {}, x
    with torch.no_grad():
        for name, step in twin.named_children():
            a = step(a)
            expected[name.replace("_relu", ".relu")] = a.clone()
        found = dict(network.layers(x))
    assert list(found) == [name for name in expected if name not in ("flatten", "pool1", "pool2")]
    for name, activation in found.items():
        torch.testing.assert_close(activation, expected[name], rtol=1e-5, atol=1e-6, msg=name)


def test_forward_is_the_last_layer_and_a_distribution(case, digits):
    _, network, twin = case
    x, _ = digits
    with torch.no_grad():
        output = network(x)
        *_, (name, last) = network.layers(x)
        assert torch.equal(output, last)
        torch.testing.assert_close(output, twin(x), rtol=1e-5, atol=1e-6)
    assert name == "log_softmax"
    torch.testing.assert_close(output.exp().sum(1), torch.ones(len(x)))


def test_taps_are_those_of_the_two_sources():
    relu = {name: [f"{tap}.relu" for tap in list(RELEASED[name])[:-1]] for name in RELEASED}
    assert list(NETWORKS["FullyConnected"].released_taps) == [*HIDDEN, "log_softmax"]
    assert list(NETWORKS["LeNet5"].released_taps) == ["conv1", "conv2", "fc1", "fc2", "fc3", "log_softmax"]
    for name in RELEASED:
        assert list(NETWORKS[name].paper_taps) == [*relu[name], "log_softmax"]


def test_a_network_must_say_what_its_layers_are():
    with pytest.raises(NotImplementedError):
        LayeredModel()(torch.zeros(1, 1, 28, 28))


def attention(weights: dict[str, torch.Tensor], block: str, a: torch.Tensor) -> torch.Tensor:
    """One pre-norm block for tokens a (16, 48), head after head and spelt out, with a network's weights."""

    def norm(name: str, v: torch.Tensor) -> torch.Tensor:
        centred = v - v.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * weights[f"{block}.{name}.weight"] + weights[f"{block}.{name}.bias"]

    def linear(name: str, v: torch.Tensor) -> torch.Tensor:
        return v @ weights[f"{block}.{name}.weight"].T + weights[f"{block}.{name}.bias"]

    normed = norm("norm1", a)
    projection, bias = weights[f"{block}.self_attn.in_proj_weight"], weights[f"{block}.self_attn.in_proj_bias"]
    q, k, v = (normed @ projection[48 * i : 48 * (i + 1)].T + bias[48 * i : 48 * (i + 1)] for i in range(3))
    mixed = []
    for head in range(4):
        part = slice(12 * head, 12 * (head + 1))
        weight = (q[:, part] @ k[:, part].T / 12**0.5).exp()
        mixed.append(weight / weight.sum(1, keepdim=True) @ v[:, part])
    a = a + linear("self_attn.out_proj", torch.cat(mixed, 1))
    hidden = linear("linear1", norm("norm2", a))
    return a + linear("linear2", hidden * (1 + torch.erf(hidden / 2**0.5)) / 2)


@pytest.mark.parametrize("gradients", [False, True])  # torch has a faster path without
def test_the_transformer_equals_attention_spelt_out(digits, gradients):
    from fairlib import training

    network = training.shipped("VisionTransformer", "MNIST")
    x = digits[0][:3]
    with torch.set_grad_enabled(gradients):
        found = {name: a.detach() for name, a in network.layers(x)}
    weights = network.state_dict()
    assert sum(p.numel() for p in network.parameters()) == 60_634
    for i, image in enumerate(x[:, 0]):
        patches = image.reshape(4, 7, 4, 7).transpose(1, 2).reshape(16, 49)
        a = patches @ weights["patches.weight"].reshape(48, 49).T + weights["patches.bias"] + weights["position"]
        for name in ("patches", "block1", "block2", "block3"):
            if name != "patches":
                a = attention(weights, name, a)
            torch.testing.assert_close(found[name][i], a.T.reshape(48, 4, 4), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found[f"{name}.mean"][i], a.mean(0), rtol=1e-4, atol=1e-4)
        centred = a - a.mean(1, keepdim=True)
        normed = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        read = (normed * weights["norm.weight"] + weights["norm.bias"]).mean(0)
        z = weights["head.weight"] @ read + weights["head.bias"]
        torch.testing.assert_close(found["head"][i], z, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found["log_softmax"][i], z - z.exp().sum().log(), rtol=1e-4, atol=1e-4)


def test_the_transformers_taps():
    network = NETWORKS["VisionTransformer"]
    assert network.released_taps == ("patches", "block1", "block2", "block3", "head", "log_softmax")
    assert network.paper_taps == ("patches.mean", "block1.mean", "block2.mean", "block3.mean", "log_softmax")
