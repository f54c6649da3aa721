"""Image files as phones, browsers and scanners write them, damaged metadata and all, against what went in."""

import io
import logging
import struct
import sys
import types
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fairlib import pictures

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # the images are broken on purpose
LEFT, RIGHT = (255, 0, 0), (0, 0, 255)
SIXTH = b"Exif\0\0II*\0\x08\0\0\0"  # a TIFF header, as all EXIF has


@pytest.fixture
def image() -> Image.Image:
    """60 x 40 pixels, the left half red, the right half blue."""
    found = np.zeros((40, 60, 3), np.uint8)
    found[:, :30], found[:, 30:] = LEFT, RIGHT
    return Image.fromarray(found)


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHLL", tag, kind, count, value)


def block(*entries: bytes) -> bytes:
    return SIXTH + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


ORIENTED = entry(0x0112, 3, 1, 6)
MAKE = entry(0x010F, 2, 9_000, 60_000)  # a text that begins behind the end
BROKEN = {
    "no TIFF": b"Exif\0\0garbage of a camera",
    "short": b"Exif\0\0II",
    "empty": b"Exif\0\0",
    "zeros": bytes(40),
    "no entries": SIXTH + b"\xff\xff",
    "cut": block(MAKE, ORIENTED)[:24],
}


def png(image: Image.Image, exif: bytes, *, damaged: bool = False) -> bytes:
    """A PNG with these bytes as its EXIF, and a wrong check sum over them where it is `damaged`."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    whole, exif = stream.getvalue(), exif.removeprefix(b"Exif\0\0")
    sum_ = zlib.crc32(b"eXIf" + exif) ^ damaged
    return whole[:33] + struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", sum_) + whole[33:]


def written(image: Image.Image, kind: str, exif: bytes) -> bytes:
    """An image file with these bytes as its EXIF."""
    if kind == "PNG":
        return png(image, exif)
    stream, placeholder = io.BytesIO(), b"Exif\0\0" + block(entry(0x8888, 4, 1, 0))[6:] + bytes(200)
    image.save(stream, kind, exif=placeholder, lossless=True, quality=100)
    found = stream.getvalue()
    inner = placeholder if placeholder in found else placeholder[6:]
    assert inner in found
    return found.replace(inner, exif[len(placeholder) - len(inner) :].ljust(len(inner), b"\0"))


def sides(image: Image.Image) -> tuple:
    """Which colour is on which side: nearest, at the left, the right, the top and the bottom."""
    w, h = image.size
    return tuple(
        "red" if r > b else "blue"
        for r, _, b in (image.getpixel(at) for at in ((2, h // 2), (w - 3, h // 2), (w // 2, 2), (w // 2, h - 3)))
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "AVIF"])
@pytest.mark.parametrize("exif", BROKEN.values(), ids=BROKEN)
def test_an_image_with_a_broken_exif_block_is_an_image(tmp_path, image, kind, exif):
    (tmp_path / "x").write_bytes(written(image, kind, exif))
    found = pictures.upright(tmp_path / "x")
    assert (found.mode, found.size) == ("RGB", (60, 40))
    assert np.abs(np.asarray(found, int) - np.asarray(image, int)).mean() < 5


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize(
    "exif", [block(ORIENTED), block(MAKE, ORIENTED), block(MAKE, ORIENTED, MAKE)[:-10]], ids=["whole", "make", "cut"]
)
def test_an_orientation_counts_where_it_can_be_read(tmp_path, image, kind, exif):
    (tmp_path / "x").write_bytes(written(image, kind, exif))
    found = pictures.upright(tmp_path / "x")
    assert found.size == (40, 60)
    assert sides(found)[2:] == ("red", "blue")  # 6: a quarter turn clockwise, so that the left is on top


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_pillows(tmp_path, image, orientation):
    path = tmp_path / "x.png"
    path.write_bytes(png(image, block(entry(0x0112, 3, 1, orientation))))
    with Image.open(path) as opened:
        assert np.array_equal(pictures.upright(path), ImageOps.exif_transpose(opened))


def test_a_png_whose_exif_has_a_wrong_check_sum_is_an_image(tmp_path, image):
    (tmp_path / "x.png").write_bytes(png(image, BROKEN["zeros"], damaged=True))
    assert np.array_equal(pictures.upright(tmp_path / "x.png"), image)
    pixels = bytearray(png(image, block()))
    pixels[pixels.index(b"IDAT") + 20] ^= 1
    (tmp_path / "x.png").write_bytes(pixels)
    with pytest.raises((ValueError, OSError, SyntaxError)):
        pictures.upright(tmp_path / "x.png")


def test_a_phones_series_is_its_first_image_also_with_a_broken_list(tmp_path, image):
    image.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[image.rotate(180)], quality=100)
    whole = (tmp_path / "x.jpg").read_bytes()
    at = whole.index(b"MPF\0")
    for content in (whole, whole[: at + 8] + b"\xff" * 60 + whole[at + 68 :]):
        (tmp_path / "x.jpg").write_bytes(content)
        assert sides(pictures.upright(tmp_path / "x.jpg"))[:2] == ("red", "blue")


SAVED = sorted(
    {"AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF"}
    | {"WEBP"}
)


@pytest.mark.parametrize("kind", SAVED)
def test_what_pillow_reads_is_read(tmp_path, image, kind):
    image.save(tmp_path / "x", kind)
    assert kind in pictures.formats()
    assert sides(pictures.upright(tmp_path / "x"))[:2] == ("red", "blue")


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_a_refusal_says_what_is_accepted_and_no_path(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"expected one of AVIF, .*JPEG, .*PNG, .*WEBP.*; save it as JPEG or PNG"
    ) as info:
        pictures.upright(tmp_path / "x")
    assert str(tmp_path) not in str(info.value) and "EPS" not in str(info.value)


def test_heic_needs_a_package_and_the_refusal_names_it(tmp_path, monkeypatch):
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60))
    pictures.formats.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ValueError, match=r"HEIF .*; install the package pillow-heif, or save it as JPEG"):
        pictures.upright(tmp_path / "x.heic")
    plugin = types.ModuleType("pillow_heif")
    plugin.register_heif_opener = lambda: Image.register_open("HEIF", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    pictures.formats.cache_clear()
    assert "HEIF" in pictures.formats()
    pictures.formats.cache_clear()


# --- Modes: what a viewer shows on white paper. -----------------------------------------------------------------------


def read(tmp_path: Path, image: Image.Image, kind: str = "png", **options) -> np.ndarray:
    image.save(tmp_path / f"x.{kind}", **options)
    found = pictures.upright(tmp_path / f"x.{kind}")
    assert found.mode == "RGB"
    return np.asarray(found)


def test_grey_is_three_equal_channels(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(read(tmp_path, Image.fromarray(grey)), np.dstack([grey] * 3))
    assert set(np.unique(read(tmp_path, Image.fromarray(grey > 99)))) == {0, 255}


def test_a_palette_is_its_colours(tmp_path, image):
    assert np.array_equal(read(tmp_path, image.quantize(2)), image)


def test_sixteen_bits_are_scaled(tmp_path):
    deep = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    expected = np.dstack([(deep / 257).round().astype(np.uint8)] * 3)
    for kind in ("png", "tif", "pgm"):
        assert np.array_equal(read(tmp_path, Image.fromarray(deep), kind), expected)


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "avif"])
def test_what_is_transparent_lies_on_white(tmp_path, image, kind):
    image.putalpha(Image.fromarray(np.repeat(np.uint8([[255] * 20 + [102] * 20 + [0] * 20]), 40, 0)))
    options = {"quality": 100} if kind == "avif" else {"lossless": True} if kind == "webp" else {}
    found = read(tmp_path, image, kind, **options).astype(int)
    for x, colour in ((8, LEFT), (25, (255, 153, 153)), (35, (153, 153, 255)), (52, (255, 255, 255))):
        assert np.abs(found[20, x] - colour).max() <= (8 if kind == "avif" else 1)


def test_a_transparent_colour_of_a_palette_or_of_grey_lies_on_white(tmp_path, image):
    flat = image.quantize(2)
    red = flat.getpixel((0, 0))
    for transparency in (red, bytes(0 if i == red else 255 for i in range(2))):
        found = read(tmp_path, flat, transparency=transparency)
        assert tuple(found[0, 0]) == (255, 255, 255) and tuple(found[0, 59]) == RIGHT
    assert (read(tmp_path, Image.new("L", (4, 4), 7), transparency=7) == 255).all()
    assert (read(tmp_path, Image.new("LA", (4, 4), (7, 0))) == 255).all()


def test_cmyk_is_converted(tmp_path):
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert tuple(read(tmp_path, ink, "tif")[0, 0]) == (255, 0, 0)
    assert np.abs(read(tmp_path, ink, "jpg", quality=100)[0, 0].astype(int) - (255, 0, 0)).max() < 5


# --- Pillow keeps quiet. ----------------------------------------------------------------------------------------------


def test_what_pillow_says_stays_out_of_the_output_and_others_are_heard(tmp_path, image, capfd):
    (tmp_path / "x.png").write_bytes(png(image, block(MAKE, ORIENTED)))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        pictures.upright(tmp_path / "x.png")
        assert heard, "else this test shows nothing"
        heard.clear()
        with pictures.quiet():
            pictures.upright(tmp_path / "x.png")
            logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded")
            warnings.warn("somebody else's", stacklevel=1)
        assert [str(warning.message) for warning in heard] == ["somebody else's"]
    assert capfd.readouterr().err == ""
    assert logging.getLogger("PIL").level == logging.NOTSET
