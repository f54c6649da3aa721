"""How images are prepared against torchvision's and timm's own ways."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fairlib.audit.classifier import load_classifier
from fairlib.audit.preparation import read_image, standard_preparation, torchvision_preparation


def test_pixels_are_turned_resized_and_cut(tmp_path):
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, :32, 0] = wide[:, 32:, 2] = 255  # left red, right blue
    image = Image.fromarray(wide)
    image.save(tmp_path / "plain.png")
    x = read_image(tmp_path / "plain.png", standard_preparation(28))
    assert (x.shape, x.dtype) == ((3, 28, 28), torch.float32)
    assert x.min() >= 0 and x.max() <= 1
    assert torch.allclose(x[0, :, :12], torch.tensor(1.0), atol=0.02)
    assert torch.allclose(x[2, :, 16:], torch.tensor(1.0), atol=0.02)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "turned.png", standard_preparation(28)), x.flip(1, 2))
    for mode in ("L", "RGBA", "P", "LA", "CMYK"):
        image.convert(mode).save(tmp_path / "other.tif")
        assert read_image(tmp_path / "other.tif", standard_preparation(28)).shape == (3, 28, 28)
    image.save(tmp_path / "moving.gif", save_all=True, append_images=[image.rotate(180)])
    assert read_image(tmp_path / "moving.gif", standard_preparation(28))[0, 0, 0] > 0.9  # the first frame


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64), (64, 1)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(ramp).save(tmp_path / "deep.png", exif=exif)
    Image.fromarray((ramp / 257).round().astype(np.uint8)).save(tmp_path / "flat.png", exif=exif)
    deep, flat = (read_image(tmp_path / name, standard_preparation(28)) for name in ("deep.png", "flat.png"))
    assert torch.equal(deep, flat)
    assert 0.4 < deep.mean() < 0.6


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_of_unknown_range_are_refused(tmp_path, kind):
    Image.fromarray(np.full((8, 8), 200, kind)).save(tmp_path / "x.tif")
    with pytest.raises(
        ValueError, match=r"the range of its numbers \(mode [FI]\) is unknown; save it with 8 or 16 bits"
    ):
        read_image(tmp_path / "x.tif", standard_preparation(28))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images_that_would_fill_the_memory_are_refused(tmp_path):
    for name, shape in (("many; scale the image down", (9_500, 9_500)), ("narrow; cut", (1, 2_000))):
        Image.new("1", shape).save(tmp_path / f"{name}.png")
        with pytest.raises(ValueError, match=rf"\d+ x \d+ pixels are too {name}"):
            read_image(tmp_path / f"{name}.png", standard_preparation(224))


def test_no_other_program_is_started_for_an_image(tmp_path):
    (tmp_path / "x.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(ValueError, match=r"in a format that is not read here; expected one of AVIF, .*JPEG"):
        read_image(tmp_path / "x.eps", standard_preparation(28))


def normalised(x, mean, deviation):
    return (x - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(deviation).view(-1, 1, 1)


@pytest.fixture
def photograph(tmp_path) -> Path:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (347, 521, 3), dtype=np.uint8)).save(tmp_path / "photograph.png")
    return tmp_path / "photograph.png"


WEIGHTS = ["ResNet50_Weights.IMAGENET1K_V1", "ResNet50_Weights.IMAGENET1K_V2", "EfficientNet_B0_Weights.IMAGENET1K_V1",
           "Inception_V3_Weights.IMAGENET1K_V1", "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1"]  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_torchvision_s_preset_prepares_the_images(photograph, name):
    from torchvision.models import get_weight

    weights = get_weight(name)
    preset = weights.transforms()
    prepared, (side,) = torchvision_preparation(weights), preset.crop_size
    x = read_image(photograph, prepared)
    assert (prepared.shape, tuple(x.shape)) == ((side, side), (3, side, side))
    assert x.min() >= 0 and x.max() <= 1
    with Image.open(photograph) as image:
        expected = preset(image)
    assert torch.allclose(normalised(x, preset.mean, preset.std), expected, atol=1e-5)
    words = prepared.description
    assert f"short side to {preset.resize_size[0]} pixels ({preset.interpolation.value}" in words and name in words
    assert torchvision_preparation(weights, side // 2).short_side == round(preset.resize_size[0] * (side // 2) / side)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interpolation": "bilinear", "crop_pct": 0.95}, "short side to"),
        ({"interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash"}, "squashed to"),
        ({"interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "border"}, "with a border to"),
        ({"input_size": (3, 96, 128), "crop_pct": 0.9}, "short side to"),
    ],
)
def test_timm_s_configuration_prepares_the_images(monkeypatch, photograph, changes, words):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", pretrained=False)
    network.pretrained_cfg = network.default_cfg = timm.models.generate_default_cfgs(
        {"test_vit": {**network.pretrained_cfg, **changes}}
    )["test_vit"].default.to_dict()
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
    config = timm.data.resolve_model_data_config(network)
    assert {key: config[key] for key in changes} == changes
    given = load_classifier("test_vit")
    with Image.open(photograph) as image:
        expected = timm.data.create_transform(**config, is_training=False)(image)
    x = read_image(photograph, given.preparation)
    assert tuple(x.shape[1:]) == given.preparation.shape == config["input_size"][1:]
    assert torch.allclose(normalised(x, config["mean"], config["std"]), expected, atol=1e-5)
    said = given.preparation.description
    assert f"({config['interpolation']}" in said
    assert [way for way in ("short side to", "squashed to", "with a border to") if way in said] == [words]
    smaller = load_classifier("test_vit", 64)
    assert read_image(photograph, smaller.preparation).shape == (3, 64, 64)
