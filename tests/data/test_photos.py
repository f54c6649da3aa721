"""Photographs: read as they lie in a folder, cut as the classifier wants them, credited, refused by name."""

import csv
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights

from fairlib import data, files

pytestmark = pytest.mark.usefixtures("no_trace")
WRONG = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "altered": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
}


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
