"""Official images, read a second way; published centroids and thresholds; the ways in which a file can be wrong."""

import gzip
import hashlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torchvision import datasets

from fairlib import data, files

pytestmark = pytest.mark.usefixtures("no_trace")
COUNTS = {"train": 60_000, "test": 10_000}
FILES = {"train": "train", "test": "t10k"}
# Mean and standard deviation of the training pixels, as everyone who normalises them writes them.
MOMENTS = {"MNIST": (0.1307, 0.3081), "FashionMNIST": (0.2860, 0.3530)}
MNIST_DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
RAW = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def archive(name: str, split: str, kind: str) -> bytes:
    return gzip.decompress((files.root() / name / "raw" / f"{FILES[split]}-{kind}-ubyte.gz").read_bytes())


@pytest.mark.parametrize("split", COUNTS)
@pytest.mark.parametrize("name", data.DATASETS)
def test_load_equals_the_archives(name, split):
    x, y = data.load(name, split)
    assert (x.shape, x.dtype) == ((COUNTS[split], 1, 28, 28), torch.float32)
    assert (y.shape, y.dtype) == ((COUNTS[split],), torch.int64)
    pixels = np.frombuffer(archive(name, split, "images-idx3"), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    np.testing.assert_array_equal(x.numpy(), pixels / np.float32(255))
    np.testing.assert_array_equal(y.numpy(), np.frombuffer(archive(name, split, "labels-idx1"), np.uint8, offset=8))
    assert (x.min(), x.max()) == (0, 1)


@pytest.mark.parametrize("name", data.DATASETS)
def test_load_gives_the_published_moments_and_counts(name):
    x, y = data.load(name, "train")
    assert (round(x.mean().item(), 4), round(x.std().item(), 4)) == MOMENTS[name]
    assert y.bincount().tolist() == (MNIST_DIGITS if name == "MNIST" else [6_000] * 10)


@pytest.mark.parametrize("name", data.DATASETS)
def test_the_archives_are_those_that_torchvision_knows(name):
    for archive_name, md5 in getattr(datasets, name).resources:
        assert hashlib.md5((files.root() / name / "raw" / archive_name).read_bytes()).hexdigest() == md5


def test_class_names():
    assert data.CLASSES["MNIST"] == [str(digit) for digit in range(10)]
    for name in data.DATASETS:
        assert data.CLASSES[name] == [c.split(" - ")[0] for c in getattr(datasets, name).classes]


def test_each_caller_gets_pixels_of_its_own():
    x, _ = data.load("MNIST", "test")
    x.zero_()
    assert data.load("MNIST", "test")[0].max() == 1


@pytest.mark.parametrize(
    ("call", "mend"),
    [
        (lambda: data.load("EMNIST", "test"), "name is 'EMNIST', expected one of: MNIST, FashionMNIST"),
        (lambda: data.load("MNIST", "validation"), "split is 'validation', expected one of: train, test"),
        (lambda: data.centroids("EMNIST"), "name is 'EMNIST', expected one of: MNIST, FashionMNIST"),
        (lambda: data.alphas("mnist"), "name is 'mnist', expected one of: MNIST, FashionMNIST"),
        (
            lambda: data.centroids("MNIST", "e"),
            "centroid_set of MNIST is 'e', expected one of: first, a, b, c, d, random, mean, medoid",
        ),
        (
            lambda: data.centroids("FashionMNIST", "a"),
            "centroid_set of FashionMNIST is 'a', expected one of: first, random, mean, medoid",
        ),
        (
            lambda: data.table("hua"),
            "name is 'hua', expected one of: ambiguities, .*, pepe_centroids, pepe_released_checkpoints, pepe_tables$",
        ),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(call, mend):
    with pytest.raises(ValueError, match=mend):
        call()


def numbered(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that carry their own number in their pixels, and labels that follow from it."""
    number = torch.arange(n)
    return (number / n).float().view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous(), number % 10


def test_the_split_uses_every_image_once_with_its_label():
    x, y = numbered(60_000)
    x_train, y_train, x_val, y_val = data.train_validation(x, y)
    assert (len(x_train), len(y_train), len(x_val), len(y_val)) == (55_000, 55_000, 5_000, 5_000)
    numbers = (torch.cat([x_train, x_val])[:, 0, 0, 0] * 60_000).round().long()
    assert torch.equal(numbers.sort().values, torch.arange(60_000))
    assert torch.equal(torch.cat([y_train, y_val]), numbers % 10)
    assert not torch.equal(numbers, torch.arange(60_000)), "not shuffled"


def test_the_split_follows_its_seed():
    x, y = numbered(100)
    one, again, other = (data.train_validation(x, y, seed=seed, validation=10)[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("validation", [0, 100, -1, 2.5, "3", None, True])
def test_an_impossible_split_is_refused(validation):
    with pytest.raises(ValueError, match=f"validation is {validation!r}, expected a whole number from 1 to 99"):
        data.train_validation(*numbered(100), validation=validation)


def test_the_released_centroids_are_sixty_images_with_their_official_labels():
    table = data.table("pepe_centroids")
    assert table.groupby(["dataset", "centroid_set"])["class"].apply(sorted).to_dict() == {
        key: list(range(10))
        for key in [("FashionMNIST", "first"), *(("MNIST", s) for s in ("first", "a", "b", "c", "d"))]
    }
    for (name, split), rows in table.groupby(["dataset", "split"]):
        assert data.load(name, split)[1][rows["index"].tolist()].tolist() == rows["true_label"].tolist()


def test_two_released_centroids_do_not_carry_their_class():
    table = data.table("pepe_centroids")
    odd = table[table["class"] != table["true_label"]]
    names = data.CLASSES["FashionMNIST"]
    assert set(odd["dataset"]) == {"FashionMNIST"}
    assert [(names[c], names[t]) for c, t in zip(odd["class"], odd["true_label"], strict=True)] == [
        ("Dress", "T-shirt/top"),
        ("Sneaker", "Sandal"),
    ]


def test_some_released_centroids_are_test_images():
    table = data.table("pepe_centroids")
    assert set(table[table["split"] == "test"]["centroid_set"]) == {"a", "b", "c", "d"}


def test_centroids_by_index():
    train, test = (data.load("MNIST", split)[0] for split in ("train", "test"))
    first, a = data.centroids("MNIST"), data.centroids("MNIST", "a")
    assert first.shape == a.shape == (10, 1, 28, 28)
    for c, index in enumerate((51, 8, 82, 27, 53, 259, 93, 91, 160, 154)):
        assert torch.equal(first[c], train[index])
    assert torch.equal(a[0], test[1445])
    assert torch.equal(a[9], train[409])
    assert torch.equal(data.centroids("FashionMNIST")[9], data.load("FashionMNIST", "train")[0][0])


@pytest.fixture
def few(monkeypatch, digits):
    """`load` gives the 200 digits, whatever it is asked for."""
    monkeypatch.setattr("fairlib.data.official.load", lambda name, split: digits)
    return digits


def test_medoid_has_the_smallest_summed_squared_distance(few):
    x, y = few
    for c, medoid in enumerate(data.centroids("MNIST", "medoid")):
        members = x[y == c].double()
        sums = [sum((a - b).square().sum().item() for b in members) for a in members]
        assert torch.equal(medoid.double(), members[int(np.argmin(sums))])


def test_mean_is_the_class_mean(few):
    x, y = (part.numpy() for part in few)
    expected = [x[y == c].astype(np.float64).mean(0) for c in range(10)]
    np.testing.assert_allclose(data.centroids("MNIST", "mean").numpy(), expected, atol=1e-6)


def test_random_centroids_are_members_drawn_with_the_seed(few):
    x, y = few
    draws = [data.centroids("MNIST", "random", seed=seed) for seed in range(40)]
    assert torch.equal(draws[3], data.centroids("MNIST", "random", seed=3))
    for c in range(10):
        members = {m.numpy().tobytes() for m in x[y == c]}
        drawn = {draw[c].numpy().tobytes() for draw in draws}
        assert drawn <= members
        assert len(drawn) > len(members) / 2, "forty draws out of about twenty images reach most of them"


def test_alphas_of_the_appendix():
    assert data.alphas("MNIST").tolist() == pytest.approx([0.3, 0.4, 0.35, 0.3, 0.35, 0.3, 0.3, 0.4, 0.3, 0.3])
    assert data.alphas("FashionMNIST").tolist() == pytest.approx([0.2, 0.2, 0.3, 0.2, 0.35, 0.3, 0.3, 0.25, 0.2, 0.2])
    assert data.alphas("MNIST").dtype == torch.float32


WRONG = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "altered": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
}


def replace(path, content: bytes) -> None:
    path.unlink()  # the link, not the book's own file
    path.write_bytes(content)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("part", RAW)
def test_a_wrong_archive_is_refused(own_data, part, wrong):
    path = own_data / "MNIST" / "raw" / f"{part}.gz"
    replace(path, WRONG[wrong](path.read_bytes()))
    with pytest.raises(
        ValueError, match=rf"{part}\.gz is truncated or altered .* `git checkout -- data`, or delete it"
    ):
        data.load("MNIST", "test")


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("part", RAW)
def test_a_wrong_unpacked_file_is_refused_and_mended_as_told(own_data, part, wrong):
    data.load("MNIST", "test")
    path = own_data / "MNIST" / "raw" / part
    replace(path, WRONG[wrong](path.read_bytes()))
    with pytest.raises(ValueError, match=rf"{part} is truncated or altered .*; delete it: it is unpacked again"):
        data.load("MNIST", "train" if part.startswith("train") else "test")
    path.unlink()
    assert len(data.load("MNIST", "test")[0]) == 10_000


@pytest.mark.parametrize("part", RAW)
def test_a_missing_archive_is_named_with_what_to_do(own_data, part):
    raw = own_data / "MNIST" / "raw"
    (raw / part).unlink(missing_ok=True)
    (raw / f"{part}.gz").unlink()
    mend = rf"(?s)^{part}\.gz of MNIST is missing from .* could not be fetched .*restore it with `git checkout -- data`"
    with pytest.raises(FileNotFoundError, match=mend):
        data.load("MNIST", "test")


def test_a_missing_folder_is_named_with_what_to_do(own_data):
    shutil.rmtree(own_data / "MNIST")
    with pytest.raises(FileNotFoundError, match=r"(?s)^train-images-idx3-ubyte\.gz, .*`git checkout -- data`"):
        data.load("MNIST", "test")


def test_unpacking_prints_nothing(own_data, capfd):
    for part in RAW:
        (own_data / "MNIST" / "raw" / part).unlink(missing_ok=True)
    data.load("MNIST", "test")
    assert capfd.readouterr() == ("", "")


HALF_WAY = """\
import sys
from pathlib import Path
from torchvision.datasets import mnist
from fairlib import data

def halting(url, download_root, filename, md5, whole=mnist.download_and_extract_archive):
    Path(download_root, filename.removesuffix(".gz")).write_bytes(b"half")
    print("half-way", file=sys.__stdout__, flush=True)
    input()
    whole(url, download_root, filename=filename, md5=md5)

mnist.download_and_extract_archive = halting
data.load("MNIST", "test")
"""


def test_two_processes_may_unpack_at_once(own_data):
    for part in RAW:
        (own_data / "MNIST" / "raw" / part).unlink(missing_ok=True)
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", "-c", HALF_WAY]
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as first,
        ThreadPoolExecutor() as pool,
    ):
        assert first.stdout.readline() == "half-way\n"
        second = pool.submit(data.load, "MNIST", "test")
        time.sleep(0.5)
        assert not second.done(), "did not wait for the other process"
        _, errors = first.communicate("\n" * len(RAW), timeout=60)
        assert (first.returncode, errors) == (0, "")
        assert len(second.result(60)[0]) == 10_000
