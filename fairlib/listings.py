"""Tables that list files, as people and their programs write them: the cells, and the file that a cell means."""

import codecs
import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath

SEPARATORS = ",;\t"  # the second is Excel's where the comma divides whole numbers from fractions
MARKS = {  # the longer ones first: one begins like another
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file that are not blank, as cells without spaces around them, with the number of each.

    In UTF-8, or with a byte order mark in UTF-16 or UTF-32; between the cells commas, semicolons or tabs, as the first
    line has them; a line `sep=;` before that is Excel's, and left out. Raises ValueError for what is no such text, and
    for quotes that do not close.
    """
    text = _text(path)
    said = re.match(r"\s*\"?sep=(.)\"?[ \t]*[\r\n]", text, re.IGNORECASE)
    start = next(iter(text.lstrip().splitlines()), "")
    separator, left_out = (said[1], 1) if said else (max(SEPARATORS, key=start.count), 0)
    rows, line = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True), 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                if left_out:
                    left_out = 0
                else:
                    yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file (line {line}: {error}); check the quotes from there on") from error


def _text(path: Path) -> str:
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


def inside(folder: Path, path: str) -> Path:
    """The file that `path` names inside `folder`, links followed.

    A name that is not there as it is written counts as the one that other systems take it for: with / for \\, and up
    to the case and the Unicode form of its letters, where only one file fits. Raises ValueError for an address, an
    absolute path, one with `..`, or one that a link leads out of the folder, and where several files fit.
    """
    parts = (PurePosixPath(path), PureWindowsPath(path))
    away = any(p.is_absolute() or p.drive or p.root or ".." in p.parts for p in parts) or "://" in path
    if not path.strip() or "\0" in path or away or path.lower().startswith("file:"):
        raise ValueError(
            f"{path!r} is no path inside the manifest's folder; write it relative to that, without '..', like "
            "images/1.jpg"
        )
    try:
        found = (folder / path).resolve()
        if not _there(found):
            found = _meant(folder, path).resolve()
    except RuntimeError as error:  # until Python 3.13
        raise ValueError(f"{path!r} is a link that leads to itself; copy the file into the folder") from error
    if not found.is_relative_to(folder.resolve()):
        raise ValueError(f"{path!r} leads out of the manifest's folder through a link; copy the file into the folder")
    return found


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _meant(folder: Path, path: str) -> Path:
    """The path below the folder whose parts are those of `path` up to separators, case and Unicode form."""
    at = folder
    for part in PurePosixPath(path if _there(folder / path) else path.replace("\\", "/")).parts:
        if not _there(at / part):
            fitting = _entries(at).get(_folded(part), [])
            same = [
                name for name in fitting if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", part)
            ]
            fitting = same or fitting
            if len(fitting) > 1:
                raise ValueError(f"{path!r} fits {' and '.join(sorted(fitting))}; write it like the one that is meant")
            part = fitting[0] if fitting else part
        at /= part
    return at


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())


def _entries(folder: Path) -> dict[str, list[str]]:
    try:
        return _listing(folder, folder.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(64)
def _listing(folder: Path, modified: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        found.setdefault(_folded(name), []).append(name)
    return found


def is_file(path: Path) -> bool:
    """Whether there is a file at a path; what the system cannot look at is none."""
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def alike(folder: Path, path: str) -> list[str]:
    """The files that have the name of a missing one but for its ending, as `path` would have to name them."""
    missing, top = inside(folder, path), folder.resolve()
    if missing == top:
        return []
    names = chain.from_iterable(_entries(missing.parent).values())
    found = [missing.with_name(name) for name in names if _folded(Path(name).stem) == _folded(missing.stem)]
    return sorted(file.relative_to(top).as_posix() for file in found if is_file(file))
