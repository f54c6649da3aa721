"""Manifests: a user's images with their labels and countries, as a table lists them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairlib import listings
from fairlib.geography.countries import gdp
from fairlib.geography.names import complaint, match

COLUMNS = ("path", "label", "country")


@dataclass(frozen=True)
class Manifest:
    """Images with labels and countries, and what of the file could not be used.

    Attributes
    ----------
    folder : Path
        The manifest's own, which every image lies in.
    rows : DataFrame
        A row per image: `line` of the file, `path` (as written, relative to the folder), `labels` (a tuple of class
        indices, any of which is right), `country` (alpha-3).
    skipped : DataFrame
        A row per line that was left out: `line`, `path`, `reason`.
    named : frozenset of str
        The countries (alpha-3) that any line names, used or not.
    unmatched : dict
        Country names that were not known, as `fairlib.geography.match` gives them.
    """

    folder: Path
    rows: pd.DataFrame
    skipped: pd.DataFrame
    named: frozenset[str]
    unmatched: dict[str, list[str]]


def manifest(path: Path | str, known: Iterable[str] | None = None) -> Manifest:
    """Read a CSV file that lists images, one a line.

    Parameters
    ----------
    path : path or str
        A CSV file with the columns `path`, `label` and `country`, which may look as Excel writes it
        (`fairlib.listings.lines`).
    known : iterable of str, optional
        The alpha-3 codes that there is a GDP for; by default those of `fairlib.geography.gdp()`.

    Returns
    -------
    Manifest
        The usable lines, and under `skipped` the others: of more or fewer cells than the first, whose label is no such
        index, whose country is unknown or without GDP, or whose image is missing or listed before.

    Raises
    ------
    FileNotFoundError
        When there is no file.
    ValueError
        When a column is missing or there twice, nothing is usable, or a path leads out of the folder: such a manifest
        is refused whole.

    Notes
    -----
    `path`: relative to the manifest's folder, also as other systems would write it (`fairlib.listings.inside`).

    `label`: the index of the right class, counted from 0, or several, any of which is right, as in `582|415`.

    `country`: a name or a code, as `fairlib.geography.match` reads them.
    """
    path = Path(path)
    heads, lines = _read(path)
    folder, known = path.parent, set(gdp().index if known is None else known)
    path_at, label_at, country_at = (heads.index(column) for column in COLUMNS)
    codes, unmatched = match(cells[country_at] for _, cells in lines if len(cells) == len(heads))
    unknown = {name: complaint(name, near) for name, near in unmatched.items()}
    rows, skipped = [], []
    first_line: dict[str, int] = {}  # of each image that has been used
    for line, cells in lines:
        if len(cells) != len(heads):
            reason = f"expected {len(heads)} cells, found {len(cells)}; put a cell that holds a comma in double quotes"
            skipped.append((line, cells[min(path_at, len(cells) - 1)], reason))
            continue
        name, label, country = cells[path_at], cells[label_at], cells[country_at]
        try:
            image = listings.inside(folder, name)
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
        labels, code = label.split("|"), codes.get(country)
        if code is None:
            reason = unknown[country]
        elif code not in known:
            reason = f"no GDP for {country!r}"
        elif not all(re.fullmatch(r"\s*\d{1,9}\s*", part, re.ASCII) for part in labels):
            reason = f"label {label!r} is no class index (0, 1, ...)"
        elif not listings.is_file(image):
            near = ", ".join(listings.alike(folder, name))
            reason = "no such image" + (f"; did you mean {near}?" if near else "")
        elif str(image) in first_line:
            reason = f"the image of line {first_line[str(image)]} again"
        else:
            first_line[str(image)] = line
            rows.append((line, name, tuple(int(part) for part in labels), code))
            continue
        skipped.append((line, name, reason))
    if not rows:
        why = f"; line {skipped[0][0]}: {skipped[0][2]}" if skipped else ""
        raise ValueError(f"{path} names no usable image{why}; expected the columns {', '.join(COLUMNS)}")
    return Manifest(
        folder=folder,
        rows=pd.DataFrame(rows, columns=["line", "path", "labels", "country"]),
        skipped=pd.DataFrame(skipped, columns=["line", "path", "reason"]),
        named=frozenset(codes.values()),
        unmatched=unmatched,
    )


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The heads of a manifest's columns in small letters, and its other lines as numbers and cells."""
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}; give a CSV file with the columns {', '.join(COLUMNS)}")
    (_, first), *lines = list(listings.lines(path)) or [(1, [])]
    heads = [head.lower() for head in first]
    if wrong := [column for column in COLUMNS if heads.count(column) != 1]:
        raise ValueError(
            f"the first line of {path} is {','.join(first)!r}, expected the column {', '.join(wrong)} once; it must "
            f"name {', '.join(COLUMNS)}, with commas between them"
        )
    return heads, lines
