"""Files of the book: where they lie, whether they are the right ones, and how to write one whole or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

RESTORE = "restore it with `git checkout -- data`"


def root() -> Path:
    """The folder of the data.

    Returns
    -------
    Path
        `FAIRLIB_DATA` if that is set, else `data/` of the checkout, or the copy inside an installed package.

    Raises
    ------
    FileNotFoundError
        When that folder holds no `SHA256SUMS`.
    """
    here = Path(__file__).resolve().parent
    chosen = os.environ.get("FAIRLIB_DATA")
    for folder in [Path(chosen)] if chosen else [here.parent / "data", here / "_data"]:
        if (folder / "SHA256SUMS").is_file():
            return folder
    raise FileNotFoundError(
        f"no data folder at {chosen or here.parent / 'data'} (it must hold SHA256SUMS); "
        "clone the repository whole, or point FAIRLIB_DATA at its data folder"
    )


def listed() -> dict[str, str]:
    """The digests of all files of the book.

    Returns
    -------
    dict of str to str
        The SHA-256 of each file by its name below `data/`, as `data/SHA256SUMS` has them.

    Raises
    ------
    FileNotFoundError
        When there is no folder of data (`root`).
    ValueError
        When the list is damaged.
    """
    path = root() / "SHA256SUMS"
    return _sums(path, path.stat().st_mtime_ns)


@cache
def _sums(path: Path, modified: int) -> dict[str, str]:
    """The list as it was at a time of modification."""
    try:
        return {name: sha for sha, name in (line.split("  ", 1) for line in path.read_text().splitlines())}
    except ValueError as error:
        raise ValueError(f"{path} is damaged, expected lines of a SHA-256, two spaces and a name; {RESTORE}") from error


def sha256(path: Path) -> str:
    """The digest of a file's content.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        The SHA-256, 64 hexadecimal digits.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked(name: str, mend: str = RESTORE) -> Path:
    """Where a file of the book lies, once its digest is found right.

    Parameters
    ----------
    name : str
        Its name below `data/`.
    mend : str
        The end of the message where it is missing or altered: what to do.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError
        When it is missing.
    ValueError
        When `data/SHA256SUMS` does not list it, or it is truncated or altered.
    """
    sums = listed()
    if name not in sums:
        raise ValueError(f"{name!r} is not listed in data/SHA256SUMS; known files: {', '.join(sorted(sums))}")
    path = root() / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {mend}")
    digest = sha256(path)
    if digest != sums[name]:
        raise ValueError(
            f"{path} is truncated or altered (SHA-256 {digest[:12]}..., expected {sums[name][:12]}...); {mend}"
        )
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write or replace; folders around it are made.

    Yields
    ------
    Path
        A temporary file beside it to write to: renamed at the end of the block, removed where that fails.

    Examples
    --------
    >>> with replacing(folder / "table.csv") as partial:  # doctest: +SKIP
    ...     frame.to_csv(partial)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
