"""The file of what a model answered for each image: appended to line by line, gone on from, joined from shards.

Its first line says what the answers come from, each other line is of one image. It needs neither torch nor the model.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from fairlib import files, foreign, geography, listings

FORMAT = 2  # of the file
TOP = 5  # classes kept for each image
CHANGES = {
    "format": "another version of this program",
    "model": "another model",
    "size": "another size",
    "digest": "other weights, code or preparation of images",
    "mixed": "another precision",
}
NOT_CLASSIFIED = "not classified yet; run the audit, or its shard, again"


@dataclass(frozen=True)
class Predictions:
    """What a model answered for the rows of a manifest.

    Attributes
    ----------
    top : (N, 5) int64
        The likeliest classes of each image, the first of them the model's answer; -1 where there is none.
    confidence : (N,) float64
        Softmax of the first class, rounded to four decimals; NaN for an image that was not classified.
    skipped : dict
        Path and reason of each image that was not classified.
    resumed : int
        How many answers were known from an earlier run.
    source : dict
        What the answers come from: `model`, `size`, `classes`, `preparation`, `warnings` and so on.
    disagreements : dict
        With mixed precision: of how many images `compared` with full precision how many `differ` in the first class.
    """

    top: np.ndarray
    confidence: np.ndarray
    skipped: dict[str, str]
    resumed: int
    source: dict[str, object]
    disagreements: dict[str, int]

    @property
    def predicted(self) -> np.ndarray:
        """The model's answers, (N,) int64; -1 for an image that was not classified."""
        return self.top[:, 0]

    @property
    def classes(self) -> int:
        """How many classes the model has."""
        return self.source["classes"]


def stamp(manifest: geography.Manifest, path: str) -> list[int] | None:
    """Say by what a change of an image file is noticed.

    Parameters
    ----------
    manifest : fairlib.geography.Manifest
        Lists the image.
    path : str
        The image, as the manifest writes it.

    Returns
    -------
    list of int, or None
        Size in bytes and time in nanoseconds; None where there is no file.

    Raises
    ------
    ValueError
        For a path that leads out of the manifest's folder.
    """
    try:
        facts = listings.inside(manifest.folder, path).stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]


def resume(path: Path, source: Mapping[str, object], manifest: geography.Manifest) -> set[str]:
    """Take up a file of predictions where it was left, or begin one.

    Answers are kept for image files of the same size and time. Half a line at the end, of a run that was killed, is
    dropped, and so are images that could not be read: they are tried again.

    Parameters
    ----------
    path : pathlib.Path
        The file. It then holds the lines that are kept, and nothing else.
    source : mapping
        What the answers come from, the keys of `CHANGES` among it.
    manifest : fairlib.geography.Manifest
        The images that are asked for.

    Returns
    -------
    set of str
        The paths of the images whose answers are known.

    Raises
    ------
    ValueError
        For a file of another model, or of somebody else, which is left as it is.
    """
    asked, known = set(manifest.rows["path"]), {}
    if path.exists():
        before = read_source(path)
        if changed := _changed(before, source):
            raise ValueError(
                f"{path} is of {changed} (model {before['model']}, size {before['size']}); name another --out, or move "
                "it and its report away"
            )
        for line in _lines(path):
            image = line["path"]
            if "top" in line and image in asked and line["stamp"] == stamp(manifest, image):
                known[image] = json.dumps(line)
    with files.replacing(path) as partial, open(partial, "w", encoding="utf-8") as stream:
        stream.writelines(f"{text}\n" for text in (json.dumps(source), *known.values()))
    return set(known)


def append(stream: TextIO, lines: Iterable[Mapping]) -> None:
    """Write lines to the end of an open file, and see that the system has them.

    Parameters
    ----------
    stream : text file
        Open for writing.
    lines : iterable of mapping
        One object of JSON each.
    """
    stream.write("".join(json.dumps(line) + "\n" for line in lines))
    stream.flush()


def joined(manifest: geography.Manifest, paths: Sequence[Path], resumed: int = 0) -> Predictions:
    """Join the files of an audit and of its shards, in the order of a manifest.

    Parameters
    ----------
    manifest : fairlib.geography.Manifest
        All images.
    paths : sequence of pathlib.Path
        The files, one or more.
    resumed : int
        How many answers were known from an earlier run.

    Returns
    -------
    Predictions
        An image counts where its file has the size that it had when it was classified: copies on several machines may
        differ in their times.

    Raises
    ------
    ValueError
        When the files are of different models, or one is of somebody else.
    """
    source = read_source(paths[0])
    if source.get("format") != FORMAT:
        raise ValueError(f"{paths[0]} is of {CHANGES['format']}; run the audit again with another --out")
    rows = {image: i for i, image in enumerate(manifest.rows["path"])}
    top, confidence = np.full((len(rows), TOP), -1), np.full(len(rows), np.nan)
    skipped, compared, differ = dict.fromkeys(rows, NOT_CLASSIFIED), set(), set()
    for path in paths:
        if changed := _changed(read_source(path), source):
            raise ValueError(f"{path} is of {changed} than {paths[0]}; move away the one that does not belong here")
        for line in _lines(path):
            image = line["path"]
            i = rows.get(image)
            if i is None or _size(line["stamp"]) != _size(stamp(manifest, image)):
                continue
            if "reason" in line:
                if image in skipped:
                    skipped[image] = line["reason"]
                continue
            skipped.pop(image, None)
            top[i], confidence[i] = -1, line["confidence"]
            top[i, : len(line["top"])] = line["top"]
            if "full" in line:
                compared.add(image)
                (differ.discard if line["full"] == line["top"][0] else differ.add)(image)
    disagreements = {"compared": len(compared), "differ": len(differ)} if source["mixed"] else {}
    return Predictions(top, confidence, skipped, resumed, source, disagreements)


def read_source(path: Path) -> dict[str, object]:
    """Read what the answers of a file come from.

    Parameters
    ----------
    path : pathlib.Path
        A file of predictions.

    Returns
    -------
    dict
        Its first line.

    Raises
    ------
    ValueError
        For a file that is none of an audit.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            source = foreign.parsed(stream.readline())
        if not {"model", "size", "digest"} <= set(source):
            raise ValueError("its first line is no source")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is no file of an earlier audit; move it away, or name another --out") from error
    return source


def _lines(path: Path) -> Iterator[dict]:
    """The lines of the images; what is none, such as half a line, is left out."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        stream.readline()
        for text in stream:
            with suppress(ValueError, KeyError, TypeError, IndexError):
                yield _line(foreign.parsed(text))


def _line(line: Mapping) -> dict:
    """A line with the fields that it must have, of the right kinds."""
    kept = {"path": str(line["path"]), "stamp": line["stamp"]}
    if "reason" in line:
        return kept | {"reason": str(line["reason"])}
    top = [int(each) for each in line["top"]][:TOP]
    if not top:
        raise ValueError("an answer has one class at least")
    full = {"full": int(line["full"])} if "full" in line else {}
    return kept | {"top": top, "confidence": float(line["confidence"])} | full


def _size(stamp: Sequence[int] | None) -> int | None:
    """The bytes of a file, by its stamp."""
    return stamp[0] if stamp else None


def _changed(before: Mapping, source: Mapping) -> str:
    """What a file's source differs in, in words; nothing where it is the same."""
    return next((words for key, words in CHANGES.items() if before.get(key) != source[key]), "")
