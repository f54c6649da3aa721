"""Photographs with ImageNet's labels: those of the book, or a reader's own; and whose they are."""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from fairlib import checks, files, listings, pictures


def photographs(images: Path | None = None, *, size: int) -> tuple[Tensor, Tensor]:
    """Read photographs of ImageNet's 1,000 classes.

    Parameters
    ----------
    images : path, optional
        A folder with a table `images.csv`: the columns `file` (or `image`), a path below the folder or below its folder
        `images`, and `label`, counted from 0; others are ignored, and so are spaces around a comma. Without it, the
        folder that the variable FAIRLIB_IMAGES names; without either, `data/photographs`, 299 x 299 pixels each,
        checked by SHA-256. Where those are shown, `credits` belongs beside them.
    size : int
        Side of the square, in pixels.

    Returns
    -------
    x : Tensor
        Images (N, 3, size, size), float32 in [0, 1], multiples of 1/255.
    y : Tensor
        Labels (N,), int64 in [0, 999].

    Raises
    ------
    FileNotFoundError
        For a missing folder, table or image.
    ValueError
        For a table without these columns or without rows, a label that is none, a path that leaves the folder, an image
        that cannot be read, a size below 1.

    Notes
    -----
    Images are read upright and in RGB. One of size x size pixels is taken as it is; of any other, the short side is
    resized (bicubic) to 256/224 of `size`, and the middle is cut out, which is how the default classifier was
    evaluated.
    """
    checks.whole(size, "size")
    folder = os.environ.get("FAIRLIB_IMAGES") or None if images is None else checks.path(images, "images")
    pairs = list(_samples() if folder is None else _listed(Path(folder)))
    with pictures.quiet():
        x = torch.stack([_photograph(path, size) for path, _ in pairs])
    return x, torch.tensor([label for _, label in pairs])


def _samples() -> Iterator[tuple[Path, int]]:
    """Path and label of each photograph of the book."""
    rows = _sample_table()
    for file, label in zip(rows["file"], rows["label"].tolist(), strict=True):
        yield files.checked(f"photographs/{file}"), label


def _sample_table() -> pd.DataFrame:
    """The table of the book's photographs: file, label, class, author, source, licence."""
    return pd.read_csv(files.checked("photographs/images.csv"), encoding="utf-8", keep_default_na=False)


def credits(places: Sequence[int]) -> str:
    """Say whose photographs these are, as CC BY 2.0 asks for where they are shown.

    Parameters
    ----------
    places : sequence of int
        Which of `photographs` are shown, counted from 0.

    Returns
    -------
    str
        Markdown: the author of each, links to source and licence, and that it was changed. Where FAIRLIB_IMAGES is set,
        a line that says where the photographs are from.

    Raises
    ------
    ValueError
        For no place, or one that there is not.
    """
    if os.environ.get("FAIRLIB_IMAGES"):
        return "Photographs: from the folder that FAIRLIB_IMAGES names."
    rows = _sample_table()
    shown = [rows.iloc[checks.whole(place, "place", 0, len(rows) - 1)] for place in places]
    if not shown:
        raise ValueError("places is empty, expected the places of the photographs shown")
    lines = (f"{r['class']} by {r['author']} ([source]({r['source']}), [CC BY 2.0]({r['license']}))" for r in shown)
    return f"Photographs: {'; '.join(lines)}. Cropped and resized; under the name of an attack, changed by it."


def _listed(folder: Path) -> Iterator[tuple[Path, int]]:
    """Path and label of each image that the table of a folder lists."""
    table = folder / "images.csv"
    if not table.is_file():
        what = "is missing" if folder.is_dir() else "cannot be there: the folder is missing"
        raise FileNotFoundError(f"{table} {what}, expected a table of the folder's images with the columns file, label")
    (_, first), *rows = list(listings.lines(table)) or [(1, [])]
    heads = [head.lower() for head in first]
    columns = ["file" if "file" in heads else "image", "label"]
    if any(heads.count(column) != 1 for column in columns) or not rows:
        raise ValueError(f"{table} has {len(rows)} rows of {', '.join(first)}, expected columns file, label and a row")
    for line, cells in rows:
        if len(cells) != len(heads):
            raise ValueError(f"line {line} of {table} has {len(cells)} cells, expected {len(heads)}; put a cell that "
                             "holds a comma in double quotes")  # fmt: skip
        file, label = (cells[heads.index(column)] for column in columns)
        if not (label.isascii() and label.isdigit() and int(label) < 1000):
            raise ValueError(
                f"the label of {file} in {table} is {label!r}, expected 0 to 999; a table that counts from 1 (NIPS "
                "2017's TrueLabel) needs 1 subtracted"
            )
        yield _below(folder, file, table), int(label)


def _below(folder: Path, file: str, table: Path) -> Path:
    """Where a listed file lies: below the folder, or below its folder `images`."""
    names = (file, f"images/{file}") if file else ()
    try:
        candidates = [listings.inside(folder, name) for name in names]
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error
    for path in candidates:
        if listings.is_file(path):
            return path
    near = ", ".join(chain.from_iterable(listings.alike(folder, name) for name in names))
    raise FileNotFoundError(f"{folder / file} is missing, but {table} lists it; put it there or take the row out"
                            + (f"; did you mean {near}?" if near else ""))  # fmt: skip


def _photograph(path: Path, size: int) -> Tensor:
    """An image file as (3, size, size)."""
    from torchvision.transforms.functional import to_tensor  # takes long to import

    try:
        image = pictures.upright(path)
    except Exception as error:  # decoders raise many kinds
        raise ValueError(f"{path} is no image, or a damaged one ({error}); replace it or take its row out") from error
    if image.size == (size, size):
        return to_tensor(image)
    return pictures.cut(image, round(size * pictures.MARGIN), size)
