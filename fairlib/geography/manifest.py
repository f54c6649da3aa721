"""Manifests: a user's images with their labels and countries, as a table lists them."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairlib import listings
from fairlib.geography.countries import countries, gdp
from fairlib.geography.names import complaint, match

COLUMNS = ("path", "label", "country")
OPTIONAL = ("class", "cluster", "wealth")
UNGROUPABLE = ("line", "path", "label", "labels", "wealth", "log_wealth")
LONGEST_CELL = 5_000  # characters: the indices of a thousand classes


@dataclass(frozen=True)
class Manifest:
    """Images with labels and countries, and what of the file could not be used.

    Attributes
    ----------
    folder : Path
        The manifest's own, which every image lies in.
    rows : DataFrame
        A row per image: `line` of the file, `path` (as written, relative to the folder), `labels` (a tuple of class
        indices, any of which is right), `country` (alpha-3, or the name of a region), `class` (the object or topic that
        was photographed). Where the file has such a column also `cluster` (who or where several images come from) and
        `log_wealth` (natural logarithm of what the image's own household has); and the columns of `groups`.
    skipped : DataFrame
        A row per line that was left out: `line`, `path`, `reason`.
    named : frozenset of str
        The countries (alpha-3) that any line names, used or not, and the regions.
    unmatched : dict
        Country names that were not known, as `fairlib.geography.match` gives them.
    groups : tuple of str
        The columns of `rows` that were asked for as groups, in small letters.
    """

    folder: Path
    rows: pd.DataFrame
    skipped: pd.DataFrame
    named: frozenset[str]
    unmatched: dict[str, list[str]]
    groups: tuple[str, ...] = ()


def class_indices(label: str) -> tuple[int, ...]:
    """Read a label that is a class index, or several.

    Parameters
    ----------
    label : str
        Indices counted from 0, with | between them.

    Returns
    -------
    tuple of int
        The indices, any of which is right.

    Raises
    ------
    ValueError
        When the label is anything else.

    Examples
    --------
    >>> class_indices("582|415")
    (582, 415)
    """
    parts = label.split("|")
    if not all(re.fullmatch(r"\s*\d{1,9}\s*", part, re.ASCII) for part in parts):
        raise ValueError(f"label {listings.shortened(label)!r} is no class index (0, 1, ...)")
    return tuple(int(part) for part in parts)


def manifest(
    path: Path | str,
    known: Iterable[str] | None = None,
    *,
    groups: Sequence[str] = (),
    read_label: Callable[[str], tuple[int, ...]] = class_indices,
    measure: str = "GDP",
) -> Manifest:
    """Read a CSV file that lists images, one a line.

    Parameters
    ----------
    path : path or str
        A CSV file with the columns `path`, `label` and `country`, perhaps with `class`, `cluster` and `wealth`, which
        may look as Excel writes it (`fairlib.listings.lines`).
    known : iterable of str, optional
        The countries (alpha-3) and regions whose wealth is known; by default the countries of
        `fairlib.geography.gdp()`.
    groups : sequence of str
        Further columns to keep, by their names in the file's first line, in any capitals.
    read_label : callable
        What makes class indices of a label, and raises a ValueError with the reason where it cannot.
    measure : str
        What is known of the countries, for the reasons.

    Returns
    -------
    Manifest
        The usable lines, and under `skipped` the others: of more or fewer cells than the first, with a cell of more
        than 5,000 characters, whose label cannot be read, whose country is unknown or without GDP, that lack a class,
        cluster or group where there is such a column, whose wealth is no positive number, or whose image is missing or
        listed before.

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

    `label`: the index of the right class, counted from 0, or several, any of which is right, as in `582|415`; names and
    the like where `read_label` reads them (`fairlib.audit.label_reader`).

    `country`: a name or a code, as `fairlib.geography.match` reads them; or a region, written as `known` has it.

    `class`: the object or topic that was photographed; where there is no such column, the first index of the label.

    `cluster`: a household, a photographer: what makes several images alike.

    `wealth`: a positive number per image, all in one currency; its logarithm is kept.
    """
    path = Path(path)
    known = set(gdp().index if known is None else known)
    groups = tuple(dict.fromkeys(group.lower() for group in groups))
    at, width, lines = _read(path, groups)
    entries, skipped, rows = [], [], []
    for line, cells in lines:
        entry = {column: cells[i] for column, i in at.items() if i < len(cells)}
        if reason := _misshapen(cells, width, entry):
            skipped.append((line, listings.shortened(entry.get("path", cells[-1])), reason))
        else:
            entries.append((line, entry))
    places, unmatched = _places([entry["country"] for _, entry in entries], known)
    unknown = {name: complaint(name, near) for name, near in unmatched.items()}
    first_line: dict[Path, int] = {}  # of each image that has been used
    for line, entry in entries:
        try:
            image = listings.inside(path.parent, entry["path"])
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
        country = entry["country"]
        try:
            if country in unknown:
                raise ValueError(unknown[country])
            if places[country] not in known:
                raise ValueError(f"no {measure} for {country!r}")
            row = {"line": line, "path": entry["path"], "labels": read_label(entry["label"])}
            row |= {"country": places[country]} | _details(entry, row["labels"])
            _check_image(path.parent, entry["path"], image)
            if image in first_line:
                raise ValueError(f"the image of line {first_line[image]} again")
        except ValueError as error:
            skipped.append((line, entry["path"], str(error)))
        else:
            first_line[image] = line
            rows.append(row)
    if not rows:
        why = f"line {skipped[0][0]}: {skipped[0][2]}" if skipped else "it has no line but the first"
        raise ValueError(f"{path} names no usable image; {why}")
    return Manifest(
        folder=path.parent,
        rows=pd.DataFrame(rows),
        skipped=pd.DataFrame(sorted(skipped), columns=["line", "path", "reason"]),
        named=frozenset(places.values()),
        unmatched=unmatched,
        groups=groups,
    )


def _read(path: Path, groups: Sequence[str]) -> tuple[dict[str, int], int, list[tuple[int, list[str]]]]:
    """Where each column that is wanted stands, the number of all, and the other lines as numbers and cells."""
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}; give a CSV file with the columns {', '.join(COLUMNS)}")
    (_, first), *lines = list(listings.lines(path)) or [(1, [])]
    heads = [head.lower() for head in first]
    if wrong := [column for column in COLUMNS if heads.count(column) != 1]:
        raise ValueError(
            f"the first line of {path} is {listings.shortened(','.join(first))!r}, expected the column "
            f"{', '.join(wrong)} once; it must name {', '.join(COLUMNS)}, with commas between them"
        )
    for group in groups:
        if group in UNGROUPABLE:
            raise ValueError(f"the column {group} cannot be a group; name another, such as class or one of your own")
        if group not in (*heads, "class"):
            near = difflib.get_close_matches(group, heads, n=1)
            mend = f"did you mean {listings.shortened(near[0])}?" if near else f"it has {', '.join(heads)}"
            raise ValueError(f"{path} has no column {group!r} for a group; {listings.shortened(mend)}")
    extra = [column for column in OPTIONAL if column in heads]
    extra += [group for group in groups if group not in (*COLUMNS, *OPTIONAL)]
    if twice := [column for column in extra if heads.count(column) != 1]:
        raise ValueError(f"{path} has the column {', '.join(twice)} more than once; rename one")
    return {column: heads.index(column) for column in (*COLUMNS, *extra)}, len(heads), lines


def _misshapen(cells: list[str], width: int, entry: dict[str, str]) -> str:
    """Why a line cannot be read at all; "" where it can."""
    if len(cells) != width:
        return f"expected {width} cells, found {len(cells)}; put a cell that holds a comma in double quotes"
    if too_long := [column for column, text in entry.items() if len(text) > LONGEST_CELL]:
        length = len(entry[too_long[0]])
        return f"the {too_long[0]} has {length} characters, may have {LONGEST_CELL}; are all quotes closed?"
    return ""


def _places(names: list[str], known: set[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The country (alpha-3) or region that each name stands for; what those that stand for none may have meant."""
    regions = known - set(countries().index)
    codes, unmatched = match(name for name in names if name not in regions)
    return codes | {name: name for name in names if name in regions}, unmatched


def _details(entry: dict[str, str], labels: tuple[int, ...]) -> dict[str, object]:
    """What a row has beside path, labels and country; refused where a cell is empty or the wealth is no number."""
    texts = {column: text for column, text in entry.items() if column not in (*COLUMNS, "wealth")}
    if empty := [column for column, text in texts.items() if not text]:
        raise ValueError(f"no {empty[0]}; fill the cell, or leave the line out")
    details: dict[str, object] = {"class": str(labels[0])} | texts
    if "wealth" in entry:
        details["log_wealth"] = math.log(listings.positive_number(entry["wealth"], "wealth"))
    return details


def _check_image(folder: Path, name: str, image: Path) -> None:
    """Refuse a line whose image is missing; a file that it may have meant is named."""
    if not listings.is_file(image):
        near = ", ".join(listings.alike(folder, name))
        raise ValueError("no such image" + (f"; did you mean {near}?" if near else ""))
