"""The audit from a manifest to its report, as `python -m fairlib audit` and `audit report` run it."""

import argparse
import dataclasses
import operator
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fairlib import geography, listings, runtime
from fairlib.audit import places, verdict
from fairlib.audit.arguments import CONDITION_MET, NOTHING_TO_SAY
from fairlib.audit.conditions import Condition, condition
from fairlib.audit.gallery import gallery
from fairlib.audit.groups import compare_groups, worst_country
from fairlib.audit.images import classes_table, countries_table, images_table
from fairlib.audit.islands import sample
from fairlib.audit.labels import class_names, label_reader
from fairlib.audit.layouts import convert
from fairlib.audit.page import html_page
from fairlib.audit.predictions import Predictions, joined
from fairlib.audit.report import LEAST_COUNTRIES, VERSION, analyse, jsonable, label_warnings
from fairlib.audit.tables import as_json, csv_files
from fairlib.audit.words import summary


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Audit a model.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `fairlib.audit.arguments.add_arguments` returns.

    Returns
    -------
    text : str
        What to print.
    status : int
        0; 1 where a condition of `--fail-if` is met; 3 where there are too few images for a verdict, no slope that
        could be established though that is a condition, or too many are left out, whatever the conditions.

    Raises
    ------
    ValueError, FileNotFoundError
        For bad input.
    """
    from fairlib.audit.classification import classify  # torch, which the report alone does without
    from fairlib.audit.classifier import load_classifier

    started = time.perf_counter()
    conditions = [condition(text) for text in arguments.fail_if]
    part = places.shard(arguments.shard) if arguments.shard else None
    manifest, wealth = _asked(arguments)
    classifier = load_classifier(arguments.model, arguments.size)
    _warn(classifier.warnings())
    out = places.stem(arguments.out)
    with places.held(out, part):
        predictions = classify(
            classifier,
            _every(manifest, part),
            places.place(out, "predictions.jsonl", part),
            batch_size=arguments.batch_size,
            mixed=arguments.mixed,
            log=places.place(out, "log", part),
        )
        if part:
            return _shard_done(part, predictions), 0
        return _report(arguments, manifest, predictions, wealth, conditions, started)


def run_report(arguments: argparse.Namespace) -> tuple[str, int]:
    """Make the report of an audit, or of its shards, from the answers that it kept.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `fairlib.audit.arguments.add_report_arguments` returns.

    Returns
    -------
    text : str
        What to print.
    status : int
        As of `run`.

    Raises
    ------
    ValueError, FileNotFoundError
        For bad input, and where answers are missing.
    """
    started = time.perf_counter()
    conditions = [condition(text) for text in arguments.fail_if]
    manifest, wealth = _asked(arguments)
    out = places.stem(arguments.out)
    predictions = joined(manifest, places.prediction_files(out))
    _warn(predictions.source["warnings"])
    with places.held(out):
        return _report(arguments, manifest, predictions, wealth, conditions, started)


def run_manifest(arguments: argparse.Namespace) -> tuple[str, int]:
    """Write the manifest of a set that lies on a disk.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `fairlib.audit.arguments.add_manifest_arguments` returns.

    Returns
    -------
    text : str
        What to print.
    status : int
        0.

    Raises
    ------
    ValueError, FileNotFoundError
        For bad input.
    """
    return convert(arguments.kind, arguments.folder, arguments.out, arguments.labels), 0


def run_sample(arguments: argparse.Namespace) -> tuple[str, int]:
    """Write a small set whose truth is known.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `fairlib.audit.arguments.add_sample_arguments` returns.

    Returns
    -------
    text : str
        What to print.
    status : int
        0.

    Raises
    ------
    ValueError
        For bad input.
    """
    return sample(arguments.truth, arguments.folder), 0


def _every(manifest: geography.Manifest, part: places.Shard | None) -> geography.Manifest:
    """The images of a shard."""
    if part is None:
        return manifest
    rows = manifest.rows.iloc[part.number - 1 :: part.of].reset_index(drop=True)
    if rows.empty:
        raise ValueError(f"--shard {part.number}/{part.of} has no image, the manifest has {len(manifest.rows)}")
    return dataclasses.replace(manifest, rows=rows)


def _shard_done(part: places.Shard, predictions: Predictions) -> str:
    """What to print when a shard is done."""
    classified = int((predictions.predicted >= 0).sum())
    return (
        f"Shard {part.number}/{part.of}: {classified} classified, {len(predictions.skipped)} skipped. When all "
        "shards are done, `audit report` with the same manifest and --out makes the report."
    )


def _asked(arguments: argparse.Namespace) -> tuple[geography.Manifest, pd.Series]:
    """The manifest and the wealth of its countries; what of it is left out is said on the terminal."""
    path = arguments.manifest
    own = path.is_file() and "wealth" in _heads(path)
    if own and arguments.wealth:
        raise ValueError(f"{path} has a wealth for each image, and --wealth gives another; leave one of them out")
    if arguments.wealth:
        wealth, measure = geography.wealth(arguments.wealth), "wealth"
    else:
        wealth, measure = geography.gdp(arguments.gdp, year=arguments.year), "GDP"
    known = geography.countries().index if own else wealth.index
    read_label = label_reader(arguments.labels)
    manifest = geography.manifest(path, known, groups=arguments.group, read_label=read_label, measure=measure)
    for name, near in manifest.unmatched.items():
        print(geography.complaint(name, near), file=sys.stderr)
    _tell_skipped(manifest.skipped["reason"], _listed(manifest))
    countries = manifest.rows["country"].nunique()
    if countries < LEAST_COUNTRIES and not (own or arguments.group):
        raise ValueError(
            f"{path} has usable images of {countries} {'country' if countries == 1 else 'countries'}, expected at "
            f"least {LEAST_COUNTRIES}; fewer will do with --group, or with a column wealth of the images' own"
        )
    wealths = manifest.rows["log_wealth"] if own else wealth[manifest.rows["country"]]
    if wealths.nunique() < 2 and (own or countries >= LEAST_COUNTRIES):
        whose = f"the column wealth of {path}" if own else arguments.wealth or arguments.gdp
        raise ValueError(f"{whose} has one wealth for all images, which leaves no slope; give different ones")
    return manifest, wealth


def _heads(path: Path) -> list[str]:
    """The names of a manifest's columns, in small letters."""
    return [head.lower() for head in next(iter(listings.lines(path)), (1, []))[1]]


def _listed(manifest: geography.Manifest) -> int:
    """How many images the manifest lists, usable or not."""
    return len(manifest.rows) + len(manifest.skipped)


def _report(
    arguments: argparse.Namespace,
    manifest: geography.Manifest,
    predictions: Predictions,
    wealth: pd.Series,
    conditions: Sequence[Condition],
    started: float,
) -> tuple[str, int]:
    """Write the report, and say how it ends."""
    images, warnings = _classified(manifest, predictions, wealth)
    table, classes = countries_table(images), classes_table(images)
    skipped = _skipped(manifest, predictions)
    report = {"version": VERSION} | analyse(table)
    report["verdict"] = verdict.judge(images, report)
    _warn(report["verdict"]["warnings"])
    report |= {
        "warnings": [*predictions.source["warnings"], *warnings, *report["verdict"]["warnings"]],
        "model": {"name": predictions.source["model"]}
        | {key: predictions.source[key] for key in ("size", "classes", "preparation", "digest", "mixed")},
        "precision": predictions.disagreements or None,
        "manifest": arguments.manifest.name,
        "gdp": _source_of_wealth(arguments, manifest),
        "images": {"listed": _listed(manifest), "classified": len(images), "skipped": len(skipped)},
        "accuracy_top_5": float(images["right_in_top_5"].mean()),
        "confidence": float(images["confidence"].mean()),
        "classes": classes.reset_index().to_dict("records"),
        "groups": compare_groups(images, manifest.groups),
        "worst_country": worst_country(images),
        "skipped": skipped,
        "skipped_limit": arguments.skipped_limit,
        "unmatched": manifest.unmatched,
        "without_images": _without_images(manifest, table),
        "provenance": runtime.facts(started=started),
    }
    report = jsonable(report)
    report["conditions"] = [
        {"text": each.text, "value": each.value(report), "met": each.met(report)} for each in conditions
    ]
    out = places.stem(arguments.out)
    names = class_names(predictions.source["model"], predictions.classes)
    page = html_page(report, images, gallery(images, manifest.folder, arguments.gallery, names))
    places.write(out, {"json": as_json(report), "html": page} | csv_files(images, table, classes, report["groups"]))
    return _outcome(report, predictions.resumed, out)


def _source_of_wealth(arguments: argparse.Namespace, manifest: geography.Manifest) -> str:
    """Where the wealth comes from, for the report."""
    if "log_wealth" in manifest.rows:
        return "the manifest's column wealth"
    if arguments.wealth:
        return arguments.wealth.name
    return arguments.gdp if arguments.gdp == geography.SOURCES[0] else f"{arguments.gdp}, {arguments.year}"


def _classified(
    manifest: geography.Manifest, predictions: Predictions, wealth: pd.Series
) -> tuple[pd.DataFrame, list[str]]:
    """The table of classified images, and the warnings.

    What may be wrong is said on the terminal before a sample without a slope is refused.
    """
    _tell_skipped(predictions.skipped.values(), _listed(manifest))
    if len(predictions.skipped) == len(manifest.rows):
        first = next(iter(predictions.skipped.values()))
        raise ValueError(f"none of the {len(manifest.rows)} images could be read; the first: {first}")
    images = images_table(manifest, predictions, np.log(wealth))
    warnings = label_warnings(images["predicted"].to_numpy(), images["labels"], predictions.classes)
    _warn(warnings)
    if not images["right"].any():
        raise ValueError(
            f"the model is wrong on all {len(images)} images, which leaves no slope; are the labels indices of its "
            f"{predictions.classes} classes, counted from 0?"
        )
    return images, warnings


def _skipped(manifest: geography.Manifest, predictions: Predictions) -> list[dict[str, object]]:
    """`line`, `path` and `reason` of every image that is left out, by line."""
    unread = manifest.rows[manifest.rows["path"].isin(list(predictions.skipped))]
    skipped = manifest.skipped.to_dict("records") + [
        {"line": row.line, "path": row.path, "reason": predictions.skipped[row.path]} for row in unread.itertuples()
    ]
    return sorted(skipped, key=operator.itemgetter("line"))


def _without_images(manifest: geography.Manifest, table: pd.DataFrame) -> list[str]:
    """The names of the countries that the manifest names and of which no image is left."""
    names = geography.countries()["name"]
    return sorted(names.get(code, code) for code in manifest.named - set(table.index))


def _outcome(report: dict, resumed: int, out: Path) -> tuple[str, int]:
    """What to print at the end, and the exit status."""
    met = [each["text"] for each in report["conditions"] if each["met"]]
    lines = [f"{resumed} images were classified before."] if resumed else []
    lines += [summary(report), f"{places.place(out, 'html')} and {places.place(out, 'json').name} say more."]
    lines += [f"Condition met: {text}" for text in met]
    images = report["images"]
    too_many = images["skipped"] > report["skipped_limit"] * images["listed"]
    if too_many:
        lines.append(
            f"Too many images are left out ({images['skipped']} of {images['listed']}, at most "
            f"{report['skipped_limit']:.0%} may be; see --skipped-limit)."
        )
    unasked = report["verdict"]["outcome"] is None and any(
        each["text"] == verdict.ESTABLISHED for each in report["conditions"]
    )
    if unasked:
        lines.append(
            "Whether a slope is established cannot be said without one; take the condition out, or give wealth."
        )
    if too_many or unasked or report["verdict"]["outcome"] == verdict.TOO_FEW:
        return "\n".join(lines), NOTHING_TO_SAY
    return "\n".join(lines), CONDITION_MET if met else 0


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _tell_skipped(reasons: Iterable[str], listed: int) -> None:
    """Say how many lines of a manifest are left out, kind by kind: reasons are of one kind up to their first detail."""
    kinds = {}
    for reason in reasons:
        kinds.setdefault(re.split(r"[\d'\":;]", reason)[0], []).append(reason)
    for kind in kinds.values():
        more = ", and the like" if len(set(kind)) > 1 else ""
        print(f"skipped {len(kind)} of {listed}: {kind[0]}{more}", file=sys.stderr)
