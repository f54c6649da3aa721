"""Files of the book: where they lie, whether they are the right ones, and how to write one whole or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

RESTORE = "restore it with `git checkout -- data`"


def root() -> Path:
    """The folder `data/`: `FAIRLIB_DATA` if set, the checkout's, or the copy inside an installed package.

    Raises FileNotFoundError when it holds no `SHA256SUMS`.
    """
    here = Path(__file__).resolve().parent
    given = os.environ.get("FAIRLIB_DATA")
    for folder in [Path(given)] if given else [here.parent / "data", here / "_data"]:
        if (folder / "SHA256SUMS").is_file():
            return folder
    raise FileNotFoundError(
        f"no data folder at {given or here.parent / 'data'} (it must hold SHA256SUMS); "
        "clone the repository whole, or point FAIRLIB_DATA at its data folder"
    )


def listed() -> dict[str, str]:
    """The SHA-256 of each file of the book, by its name below `data/`, as `data/SHA256SUMS` has them."""
    path = root() / "SHA256SUMS"
    return _sums(path, path.stat().st_mtime_ns)


@cache
def _sums(path: Path, modified: int) -> dict[str, str]:
    try:
        return {name: sha for sha, name in (line.split("  ", 1) for line in path.read_text().splitlines())}
    except ValueError as error:
        raise ValueError(f"{path} is damaged, expected lines of a SHA-256, two spaces and a name; {RESTORE}") from error


def sha256(path: Path) -> str:
    """Hex SHA-256 digest of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked(name: str, mend: str = RESTORE) -> Path:
    """The path of `data/<name>` after its SHA-256 was compared with `data/SHA256SUMS`.

    Raises FileNotFoundError when it is missing, ValueError when it is not listed, truncated or altered;
    `mend` is the sentence that tells the reader what to do.
    """
    sums = listed()
    if name not in sums:
        raise ValueError(f"{name!r} is not listed in data/SHA256SUMS; known files: {', '.join(sorted(sums))}")
    path = root() / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {mend}")
    found = sha256(path)
    if found != sums[name]:
        raise ValueError(
            f"{path} is truncated or altered (SHA-256 {found[:12]}..., expected {sums[name][:12]}...); {mend}"
        )
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; rename it on success, remove it on any failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
