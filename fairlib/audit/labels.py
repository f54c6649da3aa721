"""Labels as people have them: class indices, names of ImageNet's classes, WordNet ids, or a mapping of their own."""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import pandas as pd

from fairlib import files, listings

KEYS = ("label", "object", "class", "topic")  # what the first column of a mapping may be called
SUGGESTIONS = 3
LONGEST_NAME = 40  # characters of a name that others are compared with


@cache
def imagenet_classes() -> pd.DataFrame:
    """Read the table of ImageNet's 1,000 classes, `data/tables/imagenet_classes.csv`.

    Returns
    -------
    DataFrame
        By class index, counted from 0: `wordnet_id` (n01440764), `name` (as torchvision has it), `synonyms` (those of
        WordNet, with commas between them). Provenance: `data/README.md`.
    """
    path = files.checked("tables/imagenet_classes.csv")
    return pd.read_csv(path, index_col="index", keep_default_na=False)


def class_names(model: str, classes: int) -> dict[int, str]:
    """What a model's classes are called, where that is known.

    Parameters
    ----------
    model : str
        As the audit's command takes it.
    classes : int
        How many the model has.

    Returns
    -------
    dict of int to str
        ImageNet's names, by index, for a published model of 1,000 classes; empty for a user's own.
    """
    if ":" in model or classes != len(imagenet_classes()):
        return {}
    return imagenet_classes()["name"].to_dict()


def imagenet_label(label: str) -> tuple[int, ...]:
    """The classes of ImageNet that a label stands for.

    Parameters
    ----------
    label : str
        An index counted from 0, a WordNet id or a name; or several with | between them, any of which is right.

    Returns
    -------
    tuple of int
        The class indices, in the order of the label.

    Raises
    ------
    ValueError
        For a name or an id that no class has, and for a name that several have, with the indices of all.

    Notes
    -----
    A name is torchvision's or one of WordNet's synonyms, up to case, hyphens and underscores. Where a name is one
    class's own and another's synonym, the former counts: `missile` is 657, not 744. An index is not looked up, so that
    the labels may be those of a model with other classes.

    Examples
    --------
    >>> imagenet_label("n01440764|great_white_shark|7")
    (0, 2, 7)
    """
    return tuple(dict.fromkeys(_imagenet_class(part.strip()) for part in label.split("|")))


def read_mapping(path: Path | str) -> dict[str, tuple[int, ...]]:
    """Read a file that says which classes a user's own labels stand for.

    Parameters
    ----------
    path : path or str
        A CSV file (`fairlib.listings.lines`) with the columns `label` (or `object`, `class`, `topic`) and `index`:
        what `imagenet_label` reads, or nothing for a label without a class. Other columns are for people.

    Returns
    -------
    dict
        The class indices of each label, by its name as `plain` makes it; () for one without a class.

    Raises
    ------
    FileNotFoundError
        When there is no file.
    ValueError
        When a column is missing, an index cannot be read, a label is there twice, or nothing is there.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no mapping at {path}; give a CSV file with the columns label and index")
    (_, first), *lines = list(listings.lines(path)) or [(1, [])]
    heads = [head.lower() for head in first]
    keys = [key for key in KEYS if key in heads]
    if not keys or heads.count("index") != 1:
        raise ValueError(
            f"the first line of {path} is {listings.shortened(','.join(first))!r}, expected the columns label and "
            "index, with a comma between them"
        )
    label_at, index_at = heads.index(keys[0]), heads.index("index")
    mapping: dict[str, tuple[int, ...]] = {}
    for line, cells in lines:
        if len(cells) != len(heads):
            raise ValueError(f"{path}, line {line}: expected {len(heads)} cells, found {len(cells)}")
        label = plain(cells[label_at])
        if label in mapping:
            raise ValueError(f"{path}, line {line}: {listings.shortened(cells[label_at])!r} is there twice; keep one")
        try:
            mapping[label] = imagenet_label(cells[index_at]) if cells[index_at] else ()
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
    if not mapping:
        raise ValueError(f"{path} maps no label; write a line with a label and an index for each")
    return mapping


def label_reader(mapping: Path | str | None = None) -> Callable[[str], tuple[int, ...]]:
    """What reads the labels of a manifest.

    Parameters
    ----------
    mapping : path or str, optional
        A file for `read_mapping`; then only the labels that it lists count.

    Returns
    -------
    callable
        From a label to class indices, for `fairlib.geography.manifest`; it raises a ValueError with the reason where
        it cannot. Without a mapping it is `imagenet_label`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_mapping` does.
    """
    return imagenet_label if mapping is None else partial(mapped_label, read_mapping(mapping))


def mapped_label(mapping: Mapping[str, tuple[int, ...]], label: str) -> tuple[int, ...]:
    """The classes that a mapping has for a label.

    Parameters
    ----------
    mapping : mapping
        As `read_mapping` returns it.
    label : str
        One of the user's labels, or several with | between them, any of which is right.

    Returns
    -------
    tuple of int
        The class indices of all of them.

    Raises
    ------
    ValueError
        When the mapping lacks a label, or none of them has a class.
    """
    names = [label] if plain(label) in mapping else label.split("|")
    if missing := [name for name in names if plain(name) not in mapping]:
        near = _near(plain(missing[0]), mapping)
        raise ValueError(f"the mapping has no label {listings.shortened(missing[0])!r}{near}")
    indices = tuple(dict.fromkeys(index for name in names for index in mapping[plain(name)]))
    if not indices:
        raise ValueError(f"the mapping has no class for {listings.shortened(label)!r}")
    return indices


def plain(name: str) -> str:
    """A name without what differs between programs.

    Parameters
    ----------
    name : str
        Of a class or of an object.

    Returns
    -------
    str
        Its words in small letters, with one space between them.

    Examples
    --------
    >>> plain("Jack-o'-lantern"), plain("road_sign")
    ('jack o lantern', 'road sign')
    """
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold()))


def _imagenet_class(text: str) -> int:
    """The class that an index, a WordNet id or a name stands for."""
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return int(text)
    own, synonyms, ids = _vocabulary()
    if re.fullmatch(r"n\d{8}", text, re.ASCII):
        if text not in ids:
            raise ValueError(f"label {text!r} is the WordNet id of none of ImageNet's 1,000 classes")
        return ids[text]
    name = plain(text)
    candidates = sorted(own.get(name) or synonyms.get(name) or ())
    if len(candidates) == 1:
        return candidates[0]
    shown = listings.shortened(text)
    if candidates:
        classes = imagenet_classes()
        meanings = " or ".join(f"{i} ({classes['synonyms'][i]}, {classes['wordnet_id'][i]})" for i in candidates)
        raise ValueError(f"label {shown!r} may be class {meanings}; write the index or the WordNet id")
    raise ValueError(
        f"label {shown!r} is no class index (0, 1, ...), WordNet id or name of ImageNet's classes{_near(name, own)}"
    )


@cache
def _vocabulary() -> tuple[Mapping[str, set[int]], Mapping[str, set[int]], Mapping[str, int]]:
    """The classes by their own names, by all of WordNet's synonyms, and by WordNet's ids."""
    own, synonyms = defaultdict(set), defaultdict(set)
    for row in imagenet_classes().itertuples():
        first, *others = row.synonyms.split(", ")
        for name in (row.name, first, row.synonyms):
            own[plain(name)].add(row.Index)
        for name in others:
            synonyms[plain(name)].add(row.Index)
    ids = imagenet_classes()["wordnet_id"]
    return dict(own), dict(synonyms), dict(zip(ids, ids.index, strict=True))


@cache
def _closest(name: str, names: frozenset[str]) -> tuple[str, ...]:
    """The names that are most like another one."""
    return tuple(difflib.get_close_matches(name, sorted(names), n=SUGGESTIONS, cutoff=0.8))


def _near(name: str, names: Mapping[str, object]) -> str:
    """The end of a message: which of the names may have been meant; "" where none is alike."""
    near = _closest(name, frozenset(names)) if len(name) <= LONGEST_NAME else ()
    return f"; did you mean {', '.join(near)}?" if near else ""
