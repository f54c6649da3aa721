"""The audit from a manifest to its report, as `python -m fairlib audit` runs it."""

import argparse
import json
import operator
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from fairlib import fairness, files, geography, runtime
from fairlib.audit.arguments import CONDITION_MET
from fairlib.audit.classifier import Classifier, load_classifier
from fairlib.audit.conditions import Condition, condition
from fairlib.audit.page import html_page
from fairlib.audit.predictions import Predictions, classify
from fairlib.audit.report import analyse, hits, jsonable, label_warnings
from fairlib.audit.words import summary


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Audit a model.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `fairlib.audit.arguments` returns.

    Returns
    -------
    text : str
        What to print.
    status : int
        0, or 1 where a condition of `--fail-if` is met.

    Raises
    ------
    ValueError, FileNotFoundError
        For bad input.
    """
    started = time.perf_counter()
    conditions = [condition(text) for text in arguments.fail_if]
    per_head = geography.gdp(arguments.gdp, year=arguments.year)
    manifest = _manifest(arguments.manifest, per_head)
    classifier = load_classifier(arguments.model, arguments.size)
    _warn(classifier.warnings())
    with _report_files(arguments.out) as places:
        predictions = classify(classifier, manifest, places["predictions.jsonl"], batch_size=arguments.batch_size)
        table, skipped, warnings = _counted(manifest, predictions, per_head)
        report = analyse(table) | {
            "warnings": [*classifier.warnings(), *warnings],
            "model": _model_facts(classifier, predictions),
            "manifest": arguments.manifest.name,
            "gdp": arguments.gdp if arguments.gdp == geography.SOURCES[0] else f"{arguments.gdp}, {arguments.year}",
            "images": {"listed": _listed(manifest), "classified": int(table["n"].sum()), "skipped": len(skipped)},
            "skipped": skipped,
            "unmatched": manifest.unmatched,
            "without_images": sorted(geography.countries()["name"][list(manifest.named - set(table.index))]),
            "provenance": runtime.facts(started=started),
        }
        report = jsonable(report)
        report["conditions"] = [
            {"text": each.text, "value": each.value(report), "met": each.met(report)} for each in conditions
        ]
        _write(places, report, table)
    return _outcome(report, predictions, conditions, places)


def _manifest(path: Path, per_head: pd.Series) -> geography.Manifest:
    """The manifest; what of it is left out is said on the terminal. Three countries are the least."""
    manifest = geography.manifest(path, per_head.index)
    for name, near in manifest.unmatched.items():
        print(geography.complaint(name, near), file=sys.stderr)
    _tell_skipped(manifest.skipped["reason"], _listed(manifest))
    countries = manifest.rows["country"].nunique()
    if countries < 3:
        raise ValueError(f"{path} has usable images of {countries} countries, expected at least 3")
    return manifest


def _listed(manifest: geography.Manifest) -> int:
    """How many images the manifest lists, usable or not."""
    return len(manifest.rows) + len(manifest.skipped)


def _model_facts(classifier: Classifier, predictions: Predictions) -> dict:
    """What the report says about the model."""
    return {
        "name": classifier.name,
        "size": classifier.size,
        "classes": predictions.classes,
        "preparation": classifier.preparation.description,
    }


@contextmanager
def _report_files(out: Path) -> Iterator[dict[str, Path]]:
    """The files of a report, by kind, while nobody else writes them; refused where they must not be written."""
    if out.is_dir():
        raise ValueError(f"--out is {out}, a folder; add a name for the report, such as {out / 'report'}")
    out = out.with_suffix("") if out.suffix in (".html", ".json") else out
    places = {kind: out.with_name(f"{out.name}.{kind}") for kind in ("html", "json", "predictions.jsonl")}
    lock = FileLock(out.with_name(f".{out.name}.lock"), timeout=0)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except Timeout as error:
        raise ValueError(f"another audit is writing {out}; wait until it ends, or name another --out") from error
    except OSError as error:
        raise ValueError(f"nothing can be written at {out} ({error}); name another --out") from error
    with held:
        for place in (places["html"], places["json"]):
            if place.exists() and not (place.is_file() and places["predictions.jsonl"].exists()):
                raise ValueError(f"{place} is no file of an earlier audit; move it away, or name another --out")
        yield places


def _counted(
    manifest: geography.Manifest, predictions: Predictions, per_head: pd.Series
) -> tuple[pd.DataFrame, list[dict[str, object]], list[str]]:
    """The country table of what was classified; `line`, `path`, `reason` of the rest; the warnings.

    What may be wrong is said on the terminal before a sample without a slope is refused.
    """
    classified = predictions.predicted >= 0
    _tell_skipped(predictions.skipped.values(), _listed(manifest))
    if not classified.any():
        first = next(iter(predictions.skipped.values()))
        raise ValueError(f"none of the {len(classified)} images could be read; the first: {first}")
    rows, predicted = manifest.rows[classified], predictions.predicted[classified]
    warnings = label_warnings(predicted, rows["labels"], predictions.classes)
    _warn(warnings)
    right = hits(predicted, rows["labels"])
    if not right.any():
        raise ValueError(
            f"the model is wrong on all {len(right)} images, which leaves no slope; are the labels indices of its "
            f"{predictions.classes} classes, counted from 0?"
        )
    table = fairness.country_table(rows["country"], right, np.log(per_head))
    table.insert(0, "name", geography.countries()["name"][table.index])
    skipped = manifest.skipped.to_dict("records") + [
        {"line": row.line, "path": row.path, "reason": predictions.skipped[row.path]}
        for row in manifest.rows[~classified].itertuples()
    ]
    return table, sorted(skipped, key=operator.itemgetter("line")), warnings


def _write(places: Mapping[str, Path], report: Mapping, table: pd.DataFrame) -> None:
    """Write the report as JSON and as a page, each whole or not at all."""
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for kind, content in (("json", text), ("html", html_page(report, table))):
        with files.replacing(places[kind]) as partial:
            partial.write_text(content, encoding="utf-8")


def _outcome(
    report: Mapping, predictions: Predictions, conditions: Sequence[Condition], places: Mapping[str, Path]
) -> tuple[str, int]:
    """What to print at the end, and the exit status."""
    met = [each.text for each in conditions if each.met(report)]
    lines = [f"{predictions.resumed} images were classified before."] if predictions.resumed else []
    lines += [summary(report), f"{places['html']} and {places['json'].name} say more."]
    lines += [f"Condition met: {text}" for text in met]
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
