"""Official images, read a second way; published facts; photographs; the ways in which a file can be wrong."""

import csv
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights

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
    for archive_name, md5 in data.DATASETS[name].resources:
        assert hashlib.md5((files.root() / name / "raw" / archive_name).read_bytes()).hexdigest() == md5


def test_class_names():
    assert data.CLASSES["MNIST"] == [str(digit) for digit in range(10)]
    assert [data.CLASSES["FashionMNIST"][c] for c in (0, 3, 5, 7, 9)] == [
        "T-shirt/top",
        "Dress",
        "Sandal",
        "Sneaker",
        "Ankle boot",
    ]


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
        (lambda: data.table("hua"), "name is 'hua', expected one of: ambiguities, .*, pepe_centroids, pepe_tables$"),
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
    monkeypatch.setattr(data, "load", lambda name, split: digits)
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


def test_published_tables():
    table = data.table("pepe_tables")
    assert len(table) == 4 * 6 * 3
    assert table.groupby("network")["n"].unique().map(list).to_dict() == {"FullyConnected": [150], "LeNet5": [200]}
    cell = table.set_index(["table", "eps", "method"])["accuracy"]
    assert [cell[1, 0.1, m] for m in ("defenseless", "defended", "loose")] == [0.18, 0.42, 0.45]
    assert [cell[2, 0.2, m] for m in ("defenseless", "defended", "loose")] == [0.00, 0.18, 0.28]
    assert [cell[3, 0.0, m] for m in ("defenseless", "defended", "loose")] == [0.95, 0.60, 0.71]
    assert [cell[4, 0.5, m] for m in ("defenseless", "defended", "loose")] == [0.00, 0.08, 0.10]


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


@pytest.mark.parametrize("table", ["pepe_alphas", "pepe_centroids", "pepe_tables"])
def test_an_altered_table_is_refused(own_data, table):
    path = own_data / "tables" / f"{table}.csv"
    replace(path, path.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(ValueError, match=rf"{table}\.csv is truncated or altered .*`git checkout -- data`"):
        data.table(table)


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


@pytest.fixture(autouse=True)
def no_images_of_the_users(monkeypatch):
    monkeypatch.delenv("FAIRLIB_IMAGES", raising=False)


PHOTOGRAPHS = files.root() / "photographs"


def listed_photographs() -> list[dict[str, str]]:
    with open(PHOTOGRAPHS / "images.csv", encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def test_the_default_photographs_are_those_of_the_book():
    x, y = data.photographs(size=299)
    assert ((len(x), *x.shape[1:]), x.dtype, y.dtype) == ((24, 3, 299, 299), torch.float32, torch.int64)
    for row, pixels, label in zip(listed_photographs(), x, y.tolist(), strict=True):
        with Image.open(PHOTOGRAPHS / row["file"]) as image:
            assert (image.format, image.mode, image.n_frames) == ("WEBP", "RGB", 1)
            np.testing.assert_array_equal((255 * pixels).numpy().transpose(1, 2, 0).round(), np.asarray(image))
        assert label == int(row["label"])


def test_the_photographs_of_the_book_differ_in_class_and_author_and_may_be_shown():
    rows = listed_photographs()
    names = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    assert [row["class"] for row in rows] == [names[int(row["label"])] for row in rows]
    for column in ("file", "label", "author", "source"):
        assert len({row[column] for row in rows}) == len(rows), column
    assert {row["license"] for row in rows} == {"https://creativecommons.org/licenses/by/2.0/"}
    assert all(re.fullmatch(r"https?://(www\.)?flickr\.com/\S+", row["source"]) for row in rows)
    assert all(row["author"].strip() and "\\" not in row["author"] for row in rows)
    assert {"Frédéric BISSON", "Kārlis Dambrāns"} <= {row["author"] for row in rows}
    assert {path.name for path in PHOTOGRAPHS.iterdir()} == {row["file"] for row in rows} | {"images.csv"}


def test_the_credits_name_author_source_licence_and_change():
    rows = listed_photographs()
    line = data.credits([4])
    assert line == (
        "Photographs: monarch by USFWS Mountain-Prairie "
        "([source](https://www.flickr.com/photos/usfwsmtnprairie/28994100466), "
        "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)). "
        "Cropped and resized; under the name of an attack, changed by it."
    )
    every = data.credits(range(len(rows)))
    at = [every.index(f"{row['class']} by {row['author']} ([source]({row['source']}), [") for row in rows]
    assert at == sorted(at), "in the order of the photographs"
    assert every.count("[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)") == len(rows)


@pytest.mark.parametrize(
    ("places", "mend"),
    [
        ([24], "place is 24, expected a whole number from 0 to 23"),
        ([0, -1], "place is -1, expected a whole number from 0 to 23"),
        ([True], "place is True, expected a whole number"),
        ([], "places is empty, expected the places of the photographs shown"),
    ],
)
def test_credits_for_no_photograph_are_refused(places, mend):
    with pytest.raises(ValueError, match=mend):
        data.credits(places)


def test_photographs_of_the_users_are_not_credited_to_others(album, monkeypatch):
    monkeypatch.setenv("FAIRLIB_IMAGES", str(album[0]))
    assert data.credits([0]) == "Photographs: from the folder that FAIRLIB_IMAGES names."


@pytest.mark.parametrize(("size", "short"), [(224, 256), (112, 128), (298, 341)])
def test_photographs_are_resized_by_256_over_224_and_cut_to_the_middle(size, short):
    x, _ = data.photographs(size=size)
    for i in (0, 10):
        image = Image.open(PHOTOGRAPHS / listed_photographs()[i]["file"])
        image = image.resize((short, short), Image.Resampling.BICUBIC)
        left, top = (round((side - size) / 2) for side in image.size)
        expected = np.array(image.crop((left, top, left + size, top + size))).transpose(2, 0, 1)
        np.testing.assert_array_equal((255 * x[i]).round().numpy(), expected)
    assert torch.equal(x, (255 * x).round() / 255)


def test_the_short_side_decides_about_the_size(album):
    pixels = np.random.default_rng(5).integers(0, 256, (45, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(album[0] / "one.png")
    x, _ = data.photographs(album[0], size=28)
    image = Image.fromarray(pixels).resize((42, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal((255 * x[1]).round().numpy().transpose(1, 2, 0), image.crop((7, 2, 35, 30)))


@pytest.fixture
def album(tmp_path):
    """A folder with two images of 8 x 8 pixels and their table, in two of the layouts that are read."""
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels[0]).save(tmp_path / "one.png")
    Image.fromarray(pixels[1]).save(tmp_path / "images" / "two.png")
    (tmp_path / "images.csv").write_text("file,label\ntwo.png,999\none.png,0\n")
    return tmp_path, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def test_photographs_of_a_folder(album, monkeypatch):
    folder, pixels = album
    x, y = data.photographs(folder, size=8)
    assert torch.equal(x, pixels[[1, 0]]), "an image of the right size is taken as it is"
    assert y.tolist() == [999, 0]
    (folder / "images.csv").write_text('image,label,author\none.png,7,"Müller, A."\n')
    monkeypatch.setenv("FAIRLIB_IMAGES", str(folder))
    x, y = data.photographs(size=8)
    assert torch.equal(x, pixels[:1])
    assert y.tolist() == [7]
    assert data.photographs(folder, size=4)[0].shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    "table",
    [
        "file, label\none.png, 7\n",
        " file ,label \n one.png ,7 \n",
        "\ufefffile,label\none.png,7\n",
        "file,label,image\none.png,7,elsewhere.png\n",
    ],
    ids=["after commas", "around commas", "byte order mark", "both names"],
)
def test_a_table_as_people_write_it(album, table):
    folder, pixels = album
    (folder / "images.csv").write_text(table, encoding="utf-8")
    x, y = data.photographs(folder, size=8)
    assert torch.equal(x, pixels[:1]) and y.tolist() == [7]


@pytest.mark.parametrize("images", [5, True, ["album"], b"album", {}])
def test_what_is_no_folder_is_refused(images):
    with pytest.raises(ValueError, match=r"images is .*, expected a path; give it as a string or a pathlib\.Path"):
        data.photographs(images, size=8)


def test_mixed_sizes_come_out_equal(album):
    folder, _ = album
    Image.new("RGB", (30, 20), (255, 0, 51)).save(folder / "one.png")
    x, _ = data.photographs(folder, size=6)
    assert x.shape == (2, 3, 6, 6)
    assert x[1, :, 3, 3].tolist() == pytest.approx([1, 0, 0.2])


def test_the_argument_goes_before_the_variable(album, monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRLIB_IMAGES", str(tmp_path / "elsewhere"))
    assert len(data.photographs(album[0], size=8)[0]) == 2
    with pytest.raises(FileNotFoundError, match=r"elsewhere/images\.csv cannot be there: the folder is missing"):
        data.photographs(size=8)


def test_a_folder_without_a_table_is_refused(album):
    (album[0] / "images.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"images\.csv is missing, expected a table .* the columns file, label"):
        data.photographs(album[0], size=8)


@pytest.mark.parametrize(
    ("table", "error", "mend"),
    [
        (
            "file,label\none.png,1000\n",
            ValueError,
            r"the label of one\.png in .* is '1000', expected 0 to 999; .*NIPS",
        ),
        ("file,label\none.png,-1\n", ValueError, r"is '-1', expected 0 to 999"),
        ("file,label\none.png,cat\n", ValueError, r"is 'cat', expected 0 to 999"),
        ("file,label\none.png,1.0\n", ValueError, r"is '1\.0', expected 0 to 999"),
        ("file,label\none.png,\n", ValueError, r"the label of one\.png in .* is '', expected 0 to 999"),
        ("file,label\n", ValueError, r"has 0 rows of file, label, expected columns file, label and a row"),
        ("ImageId,TrueLabel\none,1\n", ValueError, r"1 rows of ImageId, TrueLabel, expected columns file, label"),
        ("", ValueError, r"images\.csv has 0 rows of , expected columns file"),
        ('file,label\n"one.png,1\n', ValueError, r"images\.csv is no CSV file \(line 2: .*check the quotes"),
        ("file,label\n../outside.png,1\n", ValueError, r"images\.csv: '\.\./outside\.png' is no path inside"),
        ("file,label\nimages/link.png,1\n", ValueError, r"images\.csv: 'images/link\.png' leads out of"),
        ("file,label\nthree.png,1\n", FileNotFoundError, r"three\.png is missing, but .*images\.csv lists it"),
        ("file,label\n,1\n", FileNotFoundError, "is missing, but"),
        ("file,label\nimages,1\n", FileNotFoundError, "images is missing, but"),
    ],
)
def test_a_wrong_table_is_answered_with_what_to_do(album, table, error, mend):
    folder = album[0] / "images"
    Image.new("RGB", (8, 8)).save(album[0] / "outside.png")
    (folder / "images").mkdir()
    (folder / "images" / "link.png").symlink_to(album[0] / "outside.png")
    Image.new("RGB", (8, 8)).save(folder / "one.png")
    (folder / "images.csv").write_text(table)
    with pytest.raises(error, match=mend):
        data.photographs(folder, size=8)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_an_image_of_another_mode_is_converted(album, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new("RGB", (8, 8), "white").convert(mode).save(album[0] / f"other.{suffix}")
    (album[0] / "images.csv").write_text(f"file,label\nother.{suffix},1\n")
    assert torch.equal(data.photographs(album[0], size=8)[0], torch.ones(1, 3, 8, 8))


def test_photographs_stand_upright(album):
    folder, pixels = album
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.open(folder / "one.png").save(folder / "one.png", exif=exif)
    assert torch.equal(data.photographs(folder, size=8)[0][1], pixels[0].flip(1, 2))


def test_an_image_and_a_path_of_another_system_are_read(album, capfd):
    folder, pixels = album
    Image.open(folder / "one.png").save(folder / "one.webp", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    table = "file;label\r\nImages\\Two.PNG;5\r\n.\\one.webp;6\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (folder / "images.csv").write_bytes(table.encode(encoding))
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            x, y = data.photographs(folder, size=8)
        assert not heard and capfd.readouterr() == ("", "")
        assert torch.equal(x, pixels[[1, 0]]) and y.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("row", "mend"),
    [
        ("one.jpg,1", r"one\.jpg is missing, .*; did you mean one\.png\?"),
        ("one.png,1,2", r"line 2 of .* has 3 cells, expected 2; put a cell that holds a comma in double quotes"),
    ],
)
def test_a_row_that_cannot_be_meant_is_answered_with_what_may_be(album, row, mend):
    (album[0] / "images.csv").write_text(f"file,label\n{row}\n")
    with pytest.raises((FileNotFoundError, ValueError), match=mend):
        data.photographs(album[0], size=8)


@pytest.mark.parametrize("wrong", [*WRONG, "text"])
def test_a_damaged_image_is_refused(album, wrong):
    path = album[0] / "one.png"
    damage = {**WRONG, "altered": lambda c: c[:60] + bytes(40) + c[100:], "text": lambda c: b"not an image"}[wrong]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ValueError, match=r"one\.png is no image, or a damaged one \(.*\); replace it or take its row out"
    ):
        data.photographs(album[0], size=8)


@pytest.mark.parametrize("size", [0, -3, 8.0, "8", None, True, float("nan")])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(ValueError, match=f"size is {size!r}, expected a whole number of 1 or more"):
        data.photographs(size=size)


@pytest.mark.parametrize(
    ("damage", "error", "mend"),
    [
        (Path.unlink, FileNotFoundError, r"is missing; restore it with `git checkout -- data`"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), ValueError, "is truncated or altered .*; restore it with `git"),
    ],
)
@pytest.mark.parametrize("name", ["images.csv", "b11fa0f292c0178f.webp"])
def test_default_photographs_that_are_not_whole_are_refused(tmp_path, monkeypatch, name, damage, error, mend):
    shutil.copytree(PHOTOGRAPHS, tmp_path / "photographs")
    shutil.copy(files.root() / "SHA256SUMS", tmp_path)
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    assert len(data.photographs(size=8)[0]) == 24
    damage(tmp_path / "photographs" / name)
    with pytest.raises(error, match=f"{re.escape(name)} {mend}"):
        data.photographs(size=8)
