"""A small set whose truth is known, to try the audit on: the book's photographs, shown from islands that do not exist.

Nobody knows in which countries the photographs were taken. So no country is named, and what differs between the islands
is what is put in here: the light.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fairlib import checks, files, listings

TRUTHS = ("light", "mix")
ISLANDS, POOREST, RICHEST = 9, 500, 50_000
EACH = 24  # photographs of an island
DUSK = (0.95, 0.05)  # share of an island's photographs taken at dusk, on the poorest and on the richest
SIDE, QUALITY = 224, 90  # of the JPEG files
HUNDREDTHS, NOISE = 8, 3  # of its brightness a pixel keeps at dusk, and by how much the sensor is off at most, of 255
CUT = (60, 90)  # hundredths of the photograph's side that a copy shows
HEADS = ("path", "label", "country", "class", "light", "author", "source", "license")


def sample(truth: str, folder: Path | str, *, seed: int = 0) -> str:
    """Write photographs, their manifest and the islands' wealth into a folder.

    Parameters
    ----------
    truth : {'light', 'mix'}
        What is true of the nine islands. With 'light' each shows the same 24 objects once, and the poorer it is, the
        more of its photographs are taken at dusk: between images of one class a model that minds the dark is less
        accurate where people are poor. With 'mix' twelve of the objects are photographed at dusk everywhere, and the
        others by day; the poorer an island, the more of its photographs show the former: between images of one class
        nothing differs between the islands.
    folder : path or str
        Where to; it must be new or empty.
    seed : int
        Of the cuts, mirror images, noise and draws.

    Returns
    -------
    str
        What was written, and the command that comes next.

    Raises
    ------
    ValueError
        For another truth, or a folder that holds something.

    Notes
    -----
    Each image is a cut of one of the 24 photographs of `data/photographs` (CC BY 2.0; the manifest names author, source
    and licence of each), half of them mirrored. Dusk leaves 8 % of the brightness and adds up to 3 of 255 of noise.

    With 'mix' every second photograph, from the first, is one of dusk: those that EfficientNet-Lite0 minds more, so
    that the raw slope is steep.

    Islands are wealthier by equal factors, from 500 to 50,000; the share of dusk falls evenly from one to the next.
    """
    checks.one_of(truth, TRUTHS, "truth")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} holds something already; name a folder that is new or empty")
    photographs = pd.read_csv(files.checked("photographs/images.csv"), encoding="utf-8", keep_default_na=False)
    pictures = [_picture(name) for name in photographs["file"]]
    rng = np.random.default_rng(checks.whole(seed, "seed", 0))
    rows = []
    for number, (island, shown, dusk) in enumerate(_islands(truth, len(pictures), rng), 1):
        for i, (which, dark) in enumerate(zip(shown, dusk, strict=True), 1):
            path = f"island{number}/{i:02d}.jpg"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            _copy(pictures[which], dark, rng).save(folder / path, quality=QUALITY)
            of = photographs.iloc[which]
            known = (of["label"], island, of["class"], "dusk" if dark else "day")
            rows.append([path, *map(str, known), of["author"], of["source"], of["license"]])
    wealth = np.geomspace(POOREST, RICHEST, ISLANDS)
    listings.write(
        folder / "wealth.csv", ("region", "wealth"), [[f"Island {i + 1}", f"{w:.0f}"] for i, w in enumerate(wealth)]
    )
    listings.write(folder / "manifest.csv", HEADS, rows)
    return (
        f"{folder / 'manifest.csv'}: {len(rows)} images, cut from {len(pictures)} photographs (CC BY 2.0; the manifest "
        f"names their authors), of {ISLANDS} islands that do not exist; their wealth is in {folder / 'wealth.csv'}.\n"
        f"Next: python -m fairlib audit {folder / 'manifest.csv'} --wealth {folder / 'wealth.csv'} --model "
        f"efficientnet_lite0 --out {folder.with_name('report')}"
    )


def _islands(truth: str, pictures: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Of each island, the poorest first: its name, which pictures it shows, and which of these at dusk."""
    for number, share in enumerate(np.linspace(*DUSK, ISLANDS), 1):
        at_dusk = np.arange(EACH) < round(share * EACH)
        if truth == "light":
            shown, dusk = np.arange(EACH) % pictures, rng.permutation(at_dusk)
        else:
            dark, half = rng.permutation(at_dusk), pictures // 2
            shown, dusk = rng.integers(half, size=EACH) * 2 + ~dark, dark
        yield f"Island {number}", shown, dusk


def _picture(name: str) -> np.ndarray:
    """One of the book's photographs, (height, width, 3) uint8."""
    with Image.open(files.checked(f"photographs/{name}")) as image:
        return np.asarray(image.convert("RGB"))


def _copy(picture: np.ndarray, dark: bool, rng: np.random.Generator) -> Image.Image:
    """A cut of a photograph, perhaps mirrored, by day or at dusk; whole numbers only, the same on every machine."""
    side = min(picture.shape[:2]) * int(rng.integers(*CUT, endpoint=True)) // 100
    top, left = (int(rng.integers(length - side, endpoint=True)) for length in picture.shape[:2])
    cut = picture[top : top + side, left : left + side]
    if rng.integers(2):
        cut = cut[:, ::-1]
    image = Image.fromarray(np.ascontiguousarray(cut)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    if not dark:
        return image
    noise = rng.integers(-NOISE, NOISE, (SIDE, SIDE, 3), endpoint=True)
    return Image.fromarray((np.asarray(image).astype(int) * HUNDREDTHS // 100 + noise).clip(0, 255).astype(np.uint8))
