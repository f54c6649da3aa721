"""Image files as phones, browsers and scanners write them, read in one way: upright, in RGB; and cut to a square."""

import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin, UnidentifiedImageError
from torch import Tensor

# Not read: for EPS Pillow would start another program; of the others it knows the name only.
LEFT_OUT = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"}
LARGEST = 89_478_485  # pixels: where Pillow begins to warn
MARGIN = 256 / 224  # the short side over the side of the part cut out, as classifiers of ImageNet are evaluated
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PNG = b"\x89PNG\r\n\x1a\n"


@cache
def formats() -> tuple[str, ...]:
    """The formats that are read here.

    Returns
    -------
    tuple of str
        Pillow's names of all that it reads by itself, and HEIF where the package pillow-heif is installed.
    """
    Image.init()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(sorted(set(Image.ID) - LEFT_OUT))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Pillow has to say about damaged metadata, with paths of the machine, out of the output.

    Around all the reading, not around each image: the setting is one for all threads.
    """
    logger = logging.getLogger("PIL")
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|fairlib\.pictures)(\.|$)")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


def upright(path: Path) -> Image.Image:
    """The image of a file, turned as its EXIF says, as a viewer shows it on white paper.

    Parameters
    ----------
    path : Path
        A file in one of `formats()`. Damaged metadata are no reason to refuse it: the orientation counts where it can
        be read. Of an animation or a series the first image is taken.

    Returns
    -------
    Image
        RGB with 8 bits. Grey becomes three equal channels, a palette its colours, 16 bits are scaled to 8, CMYK is
        converted without its profile, transparency lies on white; colour profiles are not applied.

    Raises
    ------
    ValueError
        Without the path, for what is no whole image in one of the formats, more than `LARGEST` pixels, and numbers of
        unknown range.
    """
    try:
        with _opened(path) as image:
            width, height = image.size
            if width * height > LARGEST:
                raise ValueError(f"{width} x {height} pixels are too many; scale the image down or cut it")
            image.load()
            return _turned(_rgb(image), _orientation(image))
    except Image.DecompressionBombError as error:
        raise ValueError("it has too many pixels; scale the image down or cut it") from error
    except UnidentifiedImageError as error:
        raise ValueError(_refusal(path)) from error


def _opened(path: Path) -> Image.Image:
    """Open a file; where its metadata keep Pillow from it, without them."""
    try:
        return Image.open(path, formats=formats())
    except Image.DecompressionBombError:
        raise
    except Exception:
        content = Path(path).read_bytes()
        with suppress(Exception):
            if content.startswith(PNG):
                return Image.open(io.BytesIO(_without_damaged_chunks(content)), formats=("PNG",))
            if content.startswith(b"\xff\xd8\xff"):  # what lists its further images may be damaged
                return JpegImagePlugin.JpegImageFile(io.BytesIO(content))
            if content[4:8] == b"ftyp":  # an item of a type that nobody knows is passed over
                unnamed = re.sub(rb"(infe.{8,10})Exif", rb"\1skip", content, flags=re.DOTALL)
                return Image.open(io.BytesIO(unnamed), formats=formats())
        raise


def _without_damaged_chunks(content: bytes) -> bytes:
    """A PNG without those chunks that no decoder needs and whose check sum is wrong."""
    kept, position = [PNG], len(PNG)
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        chunk = content[position : position + 12 + length]
        needed = not chunk[4] & 0x20
        if needed or chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4])):
            kept.append(chunk)
        position += 12 + length
    return b"".join(kept)


def _refusal(path: Path) -> str:
    """Why a file is not read, and what to do."""
    with open(path, "rb") as stream:
        start = stream.read(64)
    if start[4:8] == b"ftyp" and any(brand in start for brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")):
        return "it is a HEIF (HEIC) image; install the package pillow-heif, or save it as JPEG"
    fault = "it is empty" if not start else "it is no image, a damaged one, or one in a format that is not read here"
    return f"{fault}; expected one of {', '.join(formats())}; save it as JPEG or PNG"


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF counts; 1 where nothing can be read."""
    orientation = None
    with suppress(Exception):  # what Pillow raises for damaged EXIF is of many kinds
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    if orientation is None and isinstance(exif := image.info.get("exif"), bytes):
        orientation = _orientation_in(exif)
    return orientation if isinstance(orientation, int) and orientation in TURNS else 1


def _orientation_in(exif: bytes) -> int | None:
    """The orientation in an EXIF block whose other entries are damaged: where a TIFF header leads to it."""
    headers = [i for mark in (b"II*\0", b"MM\0*") if (i := exif.find(mark)) >= 0]
    if not headers:
        return None
    block = exif[headers[0] :]
    order = "<" if block.startswith(b"I") else ">"
    with suppress(struct.error):
        (start,) = struct.unpack_from(f"{order}L", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
        for i in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHLH", block, start + 2 + 12 * i)
            if (tag, kind, count) == (ExifTags.Base.Orientation, 3, 1):
                return value
    return None


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """The image as a viewer turns it; an orientation of 1 is upright."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _rgb(image: Image.Image) -> Image.Image:
    """The image in RGB with 8 bits, transparency on white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8)).convert("RGB")  # Pillow cuts off
    if image.mode in ("I", "F"):
        raise ValueError(f"the range of its numbers (mode {image.mode}) is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return image.convert("RGB")


def cut(image: Image.Image, short: int, size: int) -> Tensor:
    """The middle of an image, as classifiers of ImageNet are evaluated.

    Parameters
    ----------
    image : Image
        RGB with 8 bits.
    short : int
        Pixels to which the short side is resized (bicubic), `size` or more.
    size : int
        Pixels of the square's side.

    Returns
    -------
    Tensor
        (3, size, size) float32 in [0, 1].
    """
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as transforms

    resized = transforms.resize(image, short, InterpolationMode.BICUBIC, antialias=True)
    return transforms.to_tensor(transforms.center_crop(resized, [size, size]))
