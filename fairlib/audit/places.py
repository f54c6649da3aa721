"""The files of an audit: where they lie, who may write them, and how: whole or not at all."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from fairlib import files


@dataclass(frozen=True)
class Shard:
    """Every so many-th image of a manifest, for one of several processes.

    Attributes
    ----------
    number : int
        Which one, from 1 to `of`.
    of : int
        How many there are.
    """

    number: int
    of: int

    @property
    def suffix(self) -> str:
        """What the names of its files have in them."""
        return f".{self.number}of{self.of}"


def shard(text: str) -> Shard:
    """Read a shard such as `3/8`.

    Parameters
    ----------
    text : str
        Its number, counted from 1, and how many there are.

    Returns
    -------
    Shard

    Raises
    ------
    ValueError
        For any other text.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"--shard is {text!r}, expected one like 3/8, from 1/8 to 8/8")
    return Shard(int(match[1]), int(match[2]))


def stem(out: Path) -> Path:
    """Where the files of a report begin.

    Parameters
    ----------
    out : pathlib.Path
        As the user gives it, perhaps with the ending `.html` or `.json`.

    Returns
    -------
    pathlib.Path
        Without that ending.

    Raises
    ------
    ValueError
        When it is a folder.
    """
    if out.is_dir():
        raise ValueError(f"--out is {out}, a folder; add a name for the report, such as {out / 'report'}")
    return out.with_suffix("") if out.suffix in (".html", ".json") else out


def place(out: Path, kind: str, part: Shard | None = None) -> Path:
    """Where one of the files lies.

    Parameters
    ----------
    out : pathlib.Path
        As `stem` returns it.
    kind : str
        The file's ending, such as `html`.
    part : Shard, optional
        Whose it is.

    Returns
    -------
    pathlib.Path
    """
    before, _, ending = kind.rpartition(".")
    name = f"{out.name}.{before}" if before else out.name
    return out.with_name(f"{name}{part.suffix if part else ''}.{ending}")


def prediction_files(out: Path) -> list[Path]:
    """The files of predictions that there are of a report and of its shards.

    Parameters
    ----------
    out : pathlib.Path
        As `stem` returns it.

    Returns
    -------
    list of pathlib.Path
        One or more, by name.

    Raises
    ------
    ValueError
        When shards of different numbers lie there, such as 1/4 and 3/8.
    FileNotFoundError
        When there is none, or a shard is missing.
    """
    name = re.compile(re.escape(out.name) + r"\.predictions(?:\.(\d+)of(\d+))?\.jsonl")
    there = {path: match for path in sorted(_entries(out.parent)) if (match := name.fullmatch(path.name))}
    if not there:
        raise FileNotFoundError(
            f"no predictions at {place(out, 'predictions.jsonl')}; run the audit with this --out first"
        )
    parts = {(int(match[1]), int(match[2])) for match in there.values() if match[1]}
    counts = sorted({of for _, of in parts})
    if len(counts) > 1:
        raise ValueError(
            f"shards of {' and of '.join(map(str, counts))} lie at {out}; move those that do not belong here away"
        )
    whole = any(match[1] is None for match in there.values())
    missing = [f"{k}/{of}" for of in counts for k in range(1, of + 1) if (k, of) not in parts]
    if missing and not whole:
        raise FileNotFoundError(
            f"no predictions of shard {', '.join(missing)} at {out}; run the audit with --shard of it"
        )
    return list(there)


def _entries(folder: Path) -> list[Path]:
    """The files of a folder; none where there is no folder."""
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


@contextmanager
def held(out: Path, part: Shard | None = None) -> Iterator[None]:
    """Keep others from writing a report, or a shard of it, meanwhile.

    Parameters
    ----------
    out : pathlib.Path
        As `stem` returns it.
    part : Shard, optional
        Whose files are written.

    Raises
    ------
    ValueError
        When somebody writes them, nothing can be written there, or a report lies there that no audit wrote.
    """
    lock = FileLock(place(out.with_name(f".{out.name}"), "lock", part), timeout=0)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        acquired = lock.acquire()
    except Timeout as error:
        raise ValueError(f"another audit is writing {out}; wait until it ends, or name another --out") from error
    except OSError as error:
        raise ValueError(f"nothing can be written at {out} ({error}); name another --out") from error
    with acquired:
        for written in (place(out, kind) for kind in ("html", "json")):
            if written.exists() and not (written.is_file() and _predicted(out)):
                raise ValueError(f"{written} is no file of an earlier audit; move it away, or name another --out")
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                Path(lock.lock_file).unlink()


def _predicted(out: Path) -> bool:
    """Whether predictions lie beside a report, so that it is ours to write over."""
    return any(path.name.startswith(f"{out.name}.predictions.") for path in _entries(out.parent))


def write(out: Path, contents: Mapping[str, str]) -> None:
    """Write the files of a report, all of them whole or none.

    Parameters
    ----------
    out : pathlib.Path
        As `stem` returns it.
    contents : mapping of str to str
        The text of each, by its ending.
    """
    with ExitStack() as all_written:
        for kind, text in contents.items():
            partial = all_written.enter_context(files.replacing(place(out, kind)))
            partial.write_text(text, encoding="utf-8")
