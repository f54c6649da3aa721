"""Two geo-diverse sets as they lie on a disk, turned into the manifest that an audit reads."""

import ast
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fairlib import checks, files, geography, listings
from fairlib.audit import labels

KINDS = ("dollarstreet", "geode")
HEADS = ("path", "label", "country", "class", "cluster", "wealth", "region")
CLASSES = 1000  # of ImageNet
MOST_REASONS = 60
LONGEST_LIST = 2_000  # characters of a cell that holds a list

Entry = dict[str, str]  # a line of a set's table: the cell of each column, or what a manifest says of the image


def convert(kind: str, folder: Path | str, out: Path | str | None = None, mapping: Path | str | None = None) -> str:
    """Write a manifest for a set that lies in a folder as it was downloaded.

    Parameters
    ----------
    kind : {'dollarstreet', 'geode'}
        The set: Dollar Street (`images_v2.csv` and the folder `assets`) or GeoDE (`index.csv` and the folder `images`).
    folder : path or str
        Where its table lies.
    out : path or str, optional
        The manifest to write, in that folder or one around it; by default `manifest.csv` in the folder.
    mapping : path or str, optional
        A file for `read_mapping`, from topics or objects to ImageNet's classes. By default Dollar Street's own classes
        count, and for GeoDE `data/tables/geode_imagenet.csv`.

    Returns
    -------
    str
        What was written and what was left out, in sentences.

    Raises
    ------
    FileNotFoundError
        When the folder, its table or the mapping is missing.
    ValueError
        For another kind, a column without which there is no manifest, a table of which no image can be used, and an
        `out` from which the images cannot be reached or that is there already.

    Notes
    -----
    Dollar Street: a household (`place`) is the cluster, its monthly `income` the wealth, the first of an image's
    `topics` its class, and the label all of its `imagenet_sysnet_id`, any of which is right.

    GeoDE: the `object` is the class, and the label all classes that the mapping has for it, any of which is right.
    """
    checks.one_of(kind, KINDS, "kind")
    table, images = _table(Path(folder), kind)
    place = _destination(Path(out) if out else table.parent / "manifest.csv", table)
    heads, lines = _lines(table)
    read, notes = (_dollarstreet if kind == "dollarstreet" else _geode)(heads, table, mapping)
    prefix = table.parent.resolve().relative_to(place.parent.resolve())
    rows, left_out = [], Counter()
    for cells in lines:
        try:
            if len(cells) != len(heads):
                raise ValueError(f"a line of more or fewer than {len(heads)} cells")
            entry = read(dict(zip(heads, cells, strict=True)))
            image = _image(table.parent, images, _filled(entry["path"], "path"))
            path = (prefix / image).as_posix()
            entry["path"] = path if listings.harmless(path) == path else f"./{path}"  # the same file, and no formula
        except ValueError as error:
            left_out[str(error)] += 1
        else:
            rows.append(entry)
    if not rows:
        why = "; ".join(_reasons(left_out)) or "it lists none"
        raise ValueError(f"{table}: no image can be used ({why})")
    columns = [head for head in HEADS if head in rows[0]]
    listings.write(place, columns, [[row[column] for column in columns] for row in rows])
    return "\n".join(_summary(place, rows, left_out, notes))


def _table(folder: Path, kind: str) -> tuple[Path, str]:
    """The table of a set, and the folder that its images lie in where paths do not say."""
    name, inner, images = {
        "dollarstreet": ("images_v2.csv", "dataset_dollarstreet", ""),
        "geode": ("index.csv", "geode", "images"),
    }[kind]
    for place in (folder, folder / inner):
        if (place / name).is_file():
            return place / name, images
    raise FileNotFoundError(f"no {name} in {folder}; give the folder that holds it, as the set is unpacked")


def _destination(out: Path, table: Path) -> Path:
    """The manifest's place; refused where images cannot be reached from it, or where something lies."""
    if not table.parent.resolve().is_relative_to(out.parent.resolve()):
        raise ValueError(
            f"the manifest cannot lie at {out}: its paths are relative to its folder and may not lead out of it; write "
            f"{table.parent / 'manifest.csv'}"
        )
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out} is there already; name another file, or move it away")
    return out


def _lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """The heads of a table's columns and its other lines."""
    (_, heads), *lines = list(listings.lines(path)) or [(1, [])]
    return heads, [cells for _, cells in lines]


def _dollarstreet(
    heads: Sequence[str], table: Path, mapping: Path | str | None
) -> tuple[Callable[[Entry], Entry], list[str]]:
    """What reads a line of Dollar Street's table, and what its columns do not tell."""
    country = _first(heads, table, ("country.name", "country.id"), "the country of an image")
    _first(heads, table, ("imageRelPath",), "where an image lies")
    classes = labels.read_mapping(mapping) if mapping else None
    if mapping:
        _first(heads, table, ("topics",), "what the mapping maps")
    else:
        _first(heads, table, ("imagenet_sysnet_id",), "the right classes of an image; or give a mapping of topics")
    notes = _missing(
        heads,
        {
            "topics": "what was photographed is unknown, and the first class of an image's label stands for it",
            "place": "households are unknown, and several images of one count as independent",
            "income": "the wealth of households is unknown, and that of countries stands for it",
            "region.id": "regions are unknown",
        },
    )

    def read(cells: Entry) -> Entry:
        topics = _topics(cells["topics"]) if "topics" in cells else []
        if classes:
            topics = [topic for topic in topics if labels.plain(topic) in classes] or topics
            indices = labels.mapped_label(classes, "|".join(topics))
        else:
            indices = _indices(cells["imagenet_sysnet_id"])
        name = cells[country].upper() if country == "country.id" else cells[country]
        entry = {"path": cells["imageRelPath"], "label": "|".join(map(str, indices)), "country": name}
        if topics:
            entry["class"] = topics[0]
        if "place" in cells:
            entry["cluster"] = _filled(cells["place"], "household")
        if "income" in cells:
            entry["wealth"] = _income(cells["income"])
        if "region.id" in cells:
            entry["region"] = _filled(cells["region.id"], "region")
        return entry

    return read, notes


def _geode(heads: Sequence[str], table: Path, mapping: Path | str | None) -> tuple[Callable[[Entry], Entry], list[str]]:
    """What reads a line of GeoDE's table, and what its columns do not tell."""
    object_head = _first(heads, table, ("object", "script_name"), "what was photographed")
    country = _first(heads, table, ("ip_country",), "the country of an image")
    path = _first(heads, table, ("file_path", "file_name"), "where an image lies")
    shipped = files.checked("tables/geode_imagenet.csv") if mapping is None else mapping
    classes, reasons = labels.read_mapping(shipped), _reasons_of(Path(shipped))
    notes = _missing(heads, {"region": "regions are unknown"})
    notes.append(
        "Which class of ImageNet an object has is a judgement: data/tables/geode_imagenet.csv gives a reason for each, "
        "and a mapping of your own counts in its place."
        if mapping is None
        else f"The classes of objects are those of {mapping}."
    )
    notes.append("Who took an image is not in the table, so that images count as independent.")

    def read(cells: Entry) -> Entry:
        name = cells[object_head].replace("_", " ")
        if classes.get(labels.plain(name)) == ():
            raise ValueError(f"{listings.shortened(name)!r}: {reasons.get(labels.plain(name), 'no class of ImageNet')}")
        indices = labels.mapped_label(classes, name)
        entry = {"path": cells[path], "label": "|".join(map(str, indices)), "class": name}
        entry["country"] = cells[country].replace("_", " ")
        if "region" in cells:
            entry["region"] = _filled(cells["region"], "region")
        return entry

    return read, notes


def _reasons_of(mapping: Path) -> dict[str, str]:
    """What a mapping says about each object, by its plain name; nothing where it has no column `reason`."""
    heads, lines = _lines(mapping)
    heads = [head.lower() for head in heads]
    if "reason" not in heads:
        return {}
    key = next(i for i, head in enumerate(heads) if head in labels.KEYS)
    return {labels.plain(cells[key]): cells[heads.index("reason")] for cells in lines}


def _first(heads: Sequence[str], table: Path, names: Sequence[str], what: str) -> str:
    """The first of several columns that a table has; without any there is no manifest."""
    for name in names:
        if heads.count(name) == 1:
            return name
    raise ValueError(f"{table} has no column {' or '.join(names)}, which says {what}; is it the set's own table?")


def _missing(heads: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """A sentence for each column that a table lacks and that a manifest can do without."""
    return [f"There is no column {name}: {what}." for name, what in columns.items() if name not in heads]


def _image(folder: Path, images: str, name: str) -> Path:
    """The path of an image below the folder of its table; refused where it is missing or leads out."""
    try:
        for path in dict.fromkeys((Path(images) / name, Path(name))):
            if listings.is_file(listings.inside(folder, path.as_posix())):
                return path
    except ValueError as error:
        raise ValueError("a path that leads out of the folder") from error
    raise ValueError("the image is missing")


def _list(cell: str) -> list[str | int]:
    """A list of words or whole numbers as Python writes it; what is no such list is refused, and nothing is run."""
    if len(cell) > LONGEST_LIST:
        raise ValueError(f"a list of more than {LONGEST_LIST:,} characters")
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("a cell that is no list as Python writes it") from error
    items = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        raise ValueError("a list of something else than words or whole numbers")
    return items


def _topics(cell: str) -> list[str]:
    """The topics of an image: a list as Python writes it, or a word."""
    items = _list(cell) if cell.startswith(("[", "(")) else [cell]
    topics = [str(item).strip() for item in items if str(item).strip()]
    if not topics:
        raise ValueError("no topic")
    return topics


def _indices(cell: str) -> list[int]:
    """The classes of ImageNet that Dollar Street has for an image."""
    indices = _list(cell) if cell else []
    if not indices:
        raise ValueError("the image has no class of ImageNet")
    if not all(isinstance(index, int) and 0 <= index < CLASSES for index in indices):
        raise ValueError("a class that is none of ImageNet's 0 to 999")
    return indices


def _income(cell: str) -> str:
    """The income of a household; refused, in the same words for all, where it is no positive number."""
    try:
        listings.positive_number(cell, "income")
    except ValueError as error:
        raise ValueError("an income that is no positive number") from error
    return cell


def _filled(cell: str, what: str) -> str:
    """The cell, or a refusal where it is empty."""
    if not cell:
        raise ValueError(f"no {what}")
    return cell


def _reasons(left_out: Counter) -> Iterator[str]:
    """How many images were left out for each reason, the commonest first."""
    for reason, count in left_out.most_common(MOST_REASONS):
        yield f"{count:,}: {reason}"
    if more := sum(count for _, count in left_out.most_common()[MOST_REASONS:]):
        yield f"{more:,}: for other reasons"


def _summary(place: Path, rows: Sequence[Entry], left_out: Counter, notes: Sequence[str]) -> Iterator[str]:
    """What was written and what was not, and the command that comes next."""
    listed = len(rows) + sum(left_out.values())
    countries = {row["country"] for row in rows}
    classes = {row.get("class", row["label"]) for row in rows}
    yield f"{place}: {len(rows):,} of {listed:,} images; classes: {len(classes)}, countries: {len(countries)}."
    if left_out:
        yield f"Left out: {sum(left_out.values()):,}"
        yield from (f"  {reason}" for reason in _reasons(left_out))
    yield from notes
    _, unknown = geography.match(sorted(countries))
    yield from (f"The audit will skip an {geography.complaint(name, near)}" for name, near in unknown.items())
    yield f"Next: python -m fairlib audit {shlex.quote(str(place))} --model resnet50 --out report"
