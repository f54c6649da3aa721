"""Two audited models, image by image, as `python -m fairlib audit compare` runs it."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from fairlib import fairness, foreign
from fairlib.audit import places, verdict
from fairlib.audit.arguments import NOTHING_TO_SAY
from fairlib.audit.report import VERSION, jsonable
from fairlib.audit.tables import as_json
from fairlib.audit.words import interval, number

SHARED = ("country", "name", "class", "labels", "log_wealth", "cluster")  # what both reports must say of an image alike


def run_compare(arguments: argparse.Namespace) -> tuple[str, int]:
    """Compare two models by their reports.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `fairlib.audit.arguments.add_compare_arguments` returns.

    Returns
    -------
    text : str
        What to print.
    status : int
        0; 3 where there are too few images in both.

    Raises
    ------
    ValueError, FileNotFoundError
        For what are no reports, or no two on the same images.
    """
    reports = [_report(path) for path in (arguments.a, arguments.b)]
    images = shared_images(_images(arguments.a), _images(arguments.b))
    comparison = compare_images(images)
    comparison |= {
        "version": VERSION,
        "models": {name: report["model"]["name"] for name, report in zip("AB", reports, strict=True)},
        "reports": {"A": arguments.a.name, "B": arguments.b.name},
    }
    if arguments.out:
        out = places.stem(arguments.out)
        place = places.place(out, "json")
        if place.exists() and not _is_comparison(place):
            raise ValueError(f"{place} is no earlier comparison; move it away, or name another --out")
        places.write(out, {"json": as_json(jsonable(comparison))})
    return words(comparison), NOTHING_TO_SAY if comparison["too_few"] else 0


def _is_comparison(path: Path) -> bool:
    """Whether a file is the comparison of two models, which may be written over."""
    try:
        return "levelling_down" in foreign.parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _report(path: Path) -> Mapping:
    """A report of this version."""
    if not path.is_file():
        raise FileNotFoundError(f"no report at {path}; give the OUT.json of an audit")
    try:
        report = foreign.parsed(path.read_text(encoding="utf-8"))
        version, _ = report["version"], report["model"]["name"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no report of an audit; give its OUT.json") from error
    if version != VERSION:
        raise ValueError(f"{path} has version {version}, expected {VERSION}; make it again with `audit report`")
    return report


def _images(report: Path) -> pd.DataFrame:
    """The images of a report, by path."""
    path = report.with_suffix("").with_name(f"{report.stem}.images.csv")
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} beside {report}; make it again with `audit report`")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    needed = ("path", "country", "class", "labels", "log_wealth", "right")
    if missing := [column for column in needed if column not in table]:
        raise ValueError(f"{path} lacks {', '.join(missing)}; make it again with `audit report`")
    if table["path"].duplicated().any():
        raise ValueError(f"{path} names an image twice; make it again with `audit report`")
    return table.set_index("path")


def shared_images(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Match the images of two reports by their paths.

    Parameters
    ----------
    a, b : DataFrame
        The CSV files of their images as words, by path.

    Returns
    -------
    DataFrame
        A row per image that is in both: what A says of it, and whether A (`right_a`) and B (`right_b`) are right.

    Raises
    ------
    ValueError
        When none is in both, or the two say different things of one: its labels, its class, its country, its wealth.
    """
    both = a.index.intersection(b.index)
    if both.empty:
        raise ValueError("no image is in both reports; compare audits of one manifest")
    a, b = a.loc[both], b.loc[both]
    for column in SHARED:
        if (column in a) != (column in b):
            raise ValueError(f"one of the reports has no {column}; make both with `audit report` from one manifest")
        if column in a and (differs := a[column] != b[column]).any():
            raise ValueError(
                f"the reports differ in the {column} of {int(differs.sum())} images, first of "
                f"{both[differs.to_numpy().argmax()]}; make both with `audit report` from one manifest and one wealth"
            )
    answers = {"right_a": a["right"] == "True", "right_b": b["right"] == "True"}
    return a.drop(columns="right").assign(log_wealth=a["log_wealth"].astype(float), **answers)


def compare_images(images: pd.DataFrame) -> dict:
    """Compare two models on the same images.

    Parameters
    ----------
    images : DataFrame
        As `shared_images` returns it.

    Returns
    -------
    dict
        `images`: how many. `accuracy`: of A and of B. `too_few`: what is missing for a verdict. `slopes`, `thirds` and
        `levelling_down`: as `fairlib.fairness.compare_models` has them; None where there are no slopes to compare.

    Raises
    ------
    ValueError
        When labels are missing.
    """
    right_a, right_b = images["right_a"], images["right_b"]
    result = {
        "images": len(images),
        "accuracy": {"A": float(right_a.mean()), "B": float(right_b.mean())},
        "slopes": None,
        "thirds": None,
        "levelling_down": None,
    }
    countries, clusters = images["country"], images.get("cluster")
    try:
        found = fairness.compare_models(
            right_a, right_b, images["log_wealth"], images["class"], countries, clusters=clusters
        )
    except ValueError as error:
        return result | {"too_few": [f"the models cannot be compared: {error}"]}
    first = next(iter(found.slopes.values())).first
    names = images.get("name", countries)
    missing = [
        f"{name}: {text}"
        for name, right in (("A", right_a), ("B", right_b))
        for text in fairness.too_few(right, names, slope=first, least=verdict.LEAST)
    ]
    return result | {
        "too_few": missing,
        "slopes": {term: asdict(difference) for term, difference in found.slopes.items()},
        "thirds": found.thirds.rename_axis("third").reset_index().to_dict("records"),
        "levelling_down": found.levelling_down,
    }


def words(comparison: Mapping) -> str:
    """Put a comparison into sentences.

    Parameters
    ----------
    comparison : mapping
        As `compare_images` returns it, with the `models`.

    Returns
    -------
    str
        Several lines.
    """
    models, accuracy = comparison["models"], comparison["accuracy"]
    lines = [
        f"A is {models['A']}, B is {models['B']}; {comparison['images']:,} images are in both. Accuracy: A "
        f"{number(accuracy['A'])}, B {number(accuracy['B'])}."
    ]
    lines += [f"{text[0].upper()}{text[1:]}." for text in comparison["too_few"]]
    if comparison["slopes"] is None or comparison["too_few"]:
        return "\n".join(lines)
    for term, difference in comparison["slopes"].items():
        lines.append(
            f"Slope {term} countries, between images of one class: A {number(difference['first']['slope'])}, B "
            f"{number(difference['second']['slope'])}, B less A {number(difference['difference'])} "
            f"{interval(difference)}: {_verdict(difference['verdict'])}."
        )
    lines += [
        f"{row['third'][0].upper()}{row['third'][1:]}: A {number(row['first'])}, B {number(row['second'])}, change "
        f"{number(row['change'])} {interval(row)}."
        for row in comparison["thirds"]
    ]
    if comparison["levelling_down"]:
        lines.append("B is flatter by levelling down: no third of wealth gains, and one or more loses.")
    return "\n".join(lines)


def _verdict(which: str) -> str:
    """What B is, in words."""
    return "neither is shown to be flatter" if which == "neither" else f"B is {which}"
