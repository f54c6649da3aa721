"""Tables that list files, as people and their programs write them: the cells, and the file that a cell means."""

import codecs
import csv
import io
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath

from fairlib import files

SEPARATORS = ",;\t"  # the second is Excel's where the comma divides whole numbers from fractions
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of one
MARKS = {  # the longer ones first: one begins like another
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file that are not blank, each with its number in the file.

    Parameters
    ----------
    path : Path
        Text in UTF-8, or with a byte order mark in UTF-16 or UTF-32. Between the cells are commas, semicolons or tabs,
        whichever the first line has most of, or what a line ``sep=;`` above it says, which is Excel's and left out.

    Yields
    ------
    number : int
        Of the file's line at which this one begins, from 1.
    cells : list of str
        Without the spaces around them.

    Raises
    ------
    ValueError
        For what is no such text, and for quotes that do not close.
    """
    text = _text(path)
    declared = re.match(r"\s*\"?sep=(.)\"?[ \t]*[\r\n]", text, re.IGNORECASE)
    first_line = next(iter(text.lstrip().splitlines()), "")
    separator = declared[1] if declared else max(SEPARATORS, key=first_line.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    number, skip_next = 1, bool(declared)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                if not skip_next:
                    yield number, cells
                skip_next = False
            number = rows.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file (line {number}: {error}); check the quotes from there on") from error


def _text(path: Path) -> str:
    """What a text file says, in the encoding that its first bytes tell."""
    content = path.read_bytes()
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
        if encoding not in ("utf-8", "utf-8-sig") and not any(c in text for c in SEPARATORS):
            raise UnicodeError(f"nor a table in {encoding.upper()}")
    except UnicodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8 ({error}); save it as CSV in UTF-8 (in Excel 'CSV UTF-8')"
        ) from error
    if "\0" in text:
        raise ValueError(f"{path} is no text in UTF-8 (it holds zero bytes); save it as CSV in UTF-8")
    return text


def write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all, that no spreadsheet takes for formulas.

    Parameters
    ----------
    path : Path
        Where to.
    heads : sequence of str
        The names of the columns.
    rows : iterable of sequences
        The cells of each line. Numbers are written as they are; a text goes through `harmless`.
    """
    with files.replacing(path) as partial, open(partial, "w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(heads)
        table.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def harmless(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        The text on one line; with an apostrophe before it where it begins with =, +, - or @, also as wide characters.

    Examples
    --------
    >>> harmless("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    text = " ".join(text.replace("\0", " ").split())
    return f"'{text}" if unicodedata.normalize("NFKC", text[:1]) in FORMULA else text


def positive_number(text: str, name: str) -> float:
    """Read a cell that holds a positive number.

    Parameters
    ----------
    text : str
        Digits with a point for fractions, such as 1234.5 or 1.2e4.
    name : str
        What the message calls it.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        When it is anything else, or out of the range of a float.
    """
    shape = r"\d+(\.\d*)?(e[+-]?\d+)?"
    value = float(text) if re.fullmatch(shape, text, re.ASCII | re.IGNORECASE) else 0.0
    if not 0 < value < math.inf:
        raise ValueError(
            f"{name} {shortened(text)!r} is no positive number; write it like 1234.5, without commas and signs"
        )
    return value


def shortened(text: str, longest: int = 80) -> str:
    """Cut a text that is too long for a message.

    Parameters
    ----------
    text : str
        What a cell says.
    longest : int
        Characters that may stay.

    Returns
    -------
    str
        The text, or its beginning with three dots.
    """
    return text if len(text) <= longest else f"{text[:longest]}..."


def inside(folder: Path, path: str) -> Path:
    r"""The file that a path in a table names inside a folder.

    Parameters
    ----------
    folder : Path
        Where the table lies.
    path : str
        Relative to the folder. A name that is not there as it is written counts as the one that other systems take it
        for: with / for \, and up to the case and the Unicode form of its letters, where only one file fits.

    Returns
    -------
    Path
        Absolute, links followed; the file need not exist.

    Raises
    ------
    ValueError
        For an address, an absolute path, one with ``..``, one that a link leads out of the folder, and where several
        files fit.
    """
    parts = (PurePosixPath(path), PureWindowsPath(path))
    outside = any(p.is_absolute() or p.drive or p.root or ".." in p.parts for p in parts)
    address = "://" in path or path.lower().startswith("file:")
    if not path.strip() or "\0" in path or outside or address:
        raise ValueError(
            f"{path!r} is no path inside the manifest's folder; write it relative to that, without '..', like "
            "images/1.jpg"
        )
    try:
        file = (folder / path).resolve()
        if not os.path.exists(file):
            file = _meant(folder, path).resolve()
    except RuntimeError as error:  # until Python 3.13
        raise ValueError(f"{path!r} is a link that leads to itself; copy the file into the folder") from error
    if not file.is_relative_to(folder.resolve()):
        raise ValueError(f"{path!r} leads out of the manifest's folder through a link; copy the file into the folder")
    return file


def _meant(folder: Path, path: str) -> Path:
    """The path below the folder whose parts are those of `path` up to separators, case and Unicode form."""
    as_written = os.path.exists(folder / path)
    file = folder
    for part in PurePosixPath(path if as_written else path.replace("\\", "/")).parts:
        if not os.path.exists(file / part):
            fitting = _entries(file).get(_folded(part), [])
            fitting = [name for name in fitting if _composed(name) == _composed(part)] or fitting
            if len(fitting) > 1:
                raise ValueError(f"{path!r} fits {' and '.join(sorted(fitting))}; write it like the one that is meant")
            part = fitting[0] if fitting else part
        file /= part
    return file


def _composed(name: str) -> str:
    """A name in one Unicode form; macOS writes another one than the rest."""
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """What names that differ in case or Unicode form have in common."""
    return _composed(_composed(name).casefold())


def _entries(folder: Path) -> dict[str, list[str]]:
    """The names in a folder, by what they have in common; none where it cannot be read."""
    try:
        return _listing(folder, folder.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(64)
def _listing(folder: Path, modified: int) -> dict[str, list[str]]:
    """The names in a folder as it was when it was last `modified`."""
    entries: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        entries.setdefault(_folded(name), []).append(name)
    return entries


def is_file(path: Path) -> bool:
    """Whether there is a file at a path.

    Parameters
    ----------
    path : Path
        Any, also one whose name is too long, or below a folder that may not be entered.

    Returns
    -------
    bool
        False where the system cannot look; `Path.is_file` raises there.
    """
    return os.path.isfile(path)


def alike(folder: Path, path: str) -> list[str]:
    """The files that have the name of a missing one but for its ending.

    Parameters
    ----------
    folder : Path
        Where the table lies.
    path : str
        What the table says, as `inside` takes it.

    Returns
    -------
    list of str
        As the table would have to name them.

    Raises
    ------
    ValueError
        As `inside` does.
    """
    missing, top = inside(folder, path), folder.resolve()
    if missing == top:
        return []
    names = chain.from_iterable(_entries(missing.parent).values())
    files = [missing.with_name(name) for name in names if _folded(Path(name).stem) == _folded(missing.stem)]
    return sorted(file.relative_to(top).as_posix() for file in files if is_file(file))
