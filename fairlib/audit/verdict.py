"""The verdict of an audit: one primary analysis, stated in advance, what it needs, and what speaks against it.

Primary: the slope of accuracy on log wealth between images of one class (`fairlib.fairness.within_class`). The raw
slope stands beside it; a slope is established where both have one sign and the primary test rejects.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from fairlib import fairness
from fairlib.audit.words import number, p_equals, p_value

PRIMARY = (
    "Stated in advance: the slope of accuracy on log wealth between images of one class (the class's own level is "
    "taken "
    "out of both), standard errors CR2 by country with Satterthwaite's degrees of freedom, two-sided at the level "
    "0.05. "
    "Established is a slope that this test shows and that has the sign of the raw slope."
)
JSON_NAMES = {"standard_error": "se", "degrees_of_freedom": "df", "p_value": "p"}  # as the report has them
ESTABLISHED, NOT_ESTABLISHED, TOO_FEW = "established", "not established", "too few images to say"


LEAST = fairness.Least()


def judge(images: pd.DataFrame, report: Mapping, least: fairness.Least | None = None) -> dict:
    """Compare like with like, and say what that allows to say.

    Parameters
    ----------
    images : pandas.DataFrame
        A row per classified image: `right`, `log_wealth`, `class`, `country`, its `name`, and perhaps `cluster`.
    report : mapping
        What `analyse` returns of the countries; its `slope` is None where they have none.
    least : fairlib.fairness.Least, optional
        What a verdict needs; by default `LEAST`.

    Returns
    -------
    dict
        `primary`: how the verdict is made, in words. `outcome`: 'established', 'not established' or 'too few images to
        say'. `between`, `within`: the slopes between images of one class, on the country's wealth and on how much the
        image's own is above it (None for one that there is not). `term`: which of them decides. `unadjusted`: as
        `between`, but all images in one class; `explained`: the difference. `overlap`: how far countries show the same
        classes. `too_few`: what is missing, and what would suffice. `warnings`: where tests disagree.
    """
    least = LEAST if least is None else least
    if report["slope"] is None and not _own_wealth(images):
        return _no_slope(images)
    clusters = images.get("cluster")
    found, missing = {}, []
    try:
        found = fairness.within_class(
            images["right"], images["log_wealth"], images["class"], images["country"], clusters=clusters
        )
    except ValueError as error:
        missing.append(f"images of one class cannot be compared: {error}")
    slopes = {term: _fields(found[term]) if term in found else None for term in ("between", "within")}
    term = "between" if slopes["between"] else "within"
    missing += fairness.too_few(images["right"], images["name"], slope=found.get(term), least=least)
    primary = slopes[term]
    result = {"primary": PRIMARY, "term": term, **slopes, "least": asdict(least), "too_few": missing}
    result |= _explained(images, slopes["between"])
    result["overlap"] = _overlap(images)
    result["outcome"] = TOO_FEW if missing else _outcome(primary, report["slope"] if term == "between" else None)
    result["warnings"] = _disagreements(result, report)
    return result


def _own_wealth(images: pd.DataFrame) -> bool:
    """Whether images of one country differ in wealth."""
    by_country = images.groupby("country")["log_wealth"]
    return bool((by_country.max() > by_country.min()).any())


def _no_slope(images: pd.DataFrame) -> dict:
    """What there is to say where groups alone are compared."""
    nothing = dict.fromkeys(("outcome", "between", "within", "unadjusted", "explained"))
    return nothing | {
        "primary": PRIMARY, "term": "between", "least": asdict(LEAST), "too_few": [], "warnings": [],
        "overlap": _overlap(images),
    }  # fmt: skip


def _overlap(images: pd.DataFrame) -> dict:
    """How far countries show the same classes."""
    overlap = fairness.class_overlap(images["class"], images["country"])
    return {
        "classes": len(overlap.counts),
        "shared_classes": overlap.shared_classes,
        "shared_images": overlap.shared_images,
    }


def _fields(test: object) -> dict:
    """A test's fields under the names that the report has for them."""
    return {JSON_NAMES.get(name, name): value for name, value in asdict(test).items()}


def _explained(images: pd.DataFrame, between: Mapping | None) -> dict:
    """The slope by the primary regression with all images in one class, and what the classes explain of it."""
    if between is None:
        return {"unadjusted": None, "explained": None}
    explained = fairness.explained_by_classes(images["right"], images["log_wealth"], images["class"], images["country"])
    return {"unadjusted": _fields(explained.unadjusted), "explained": explained.explained}


def _outcome(primary: Mapping, raw: Mapping | None) -> str:
    """Whether a slope is established: the primary test rejects, and the raw slope, where there is one, agrees."""
    agrees = raw is None or np.sign(raw["slope"]) == np.sign(primary["slope"])
    return ESTABLISHED if primary["p"] < fairness.LEVEL and agrees else NOT_ESTABLISHED


def _disagreements(result: Mapping, report: Mapping) -> list[str]:
    """Where the primary and the raw slope, or the tests of the raw one, do not say the same."""
    primary, raw = result["between"], report["slope"]
    sentences = []
    if raw is None:
        return sentences
    if primary is not None:
        rejects, raw_rejects = primary["p"] < fairness.LEVEL, raw["p"] < fairness.LEVEL
        opposite = np.sign(primary["slope"]) != np.sign(raw["slope"])
        beside = (
            f"the raw slope is {number(raw['slope'])} (p {p_equals(raw['p'])}), between images of one class it is "
            f"{number(primary['slope'])} (p {p_equals(primary['p'])})"
        )
        if raw_rejects and not rejects:
            sentences.append(
                f"The two slopes disagree: {beside}. Countries show different classes, and what the raw slope sees may "
                "be that mix; it is not established that the model serves poor countries worse."
            )
        elif rejects and opposite:
            sentences.append(f"The two slopes have opposite signs: {beside}. Nothing is established by that.")
        elif rejects and not raw_rejects:
            sentences.append(f"The two slopes disagree: {beside}. The mix of classes may hide it in the raw one.")
    if mixed := disagreeing(report):
        sentences.append(mixed)
    return sentences


def disagreeing(report: Mapping) -> str:
    """Say that the tests of the raw slope disagree.

    Parameters
    ----------
    report : mapping
        With `tests` and `permutation`, as `analyse` returns them.

    Returns
    -------
    str
        A sentence; nothing where all reject at the level 0.05, or none.
    """
    values = [test["p"] for test in report["tests"]] + [report["permutation"]["p"]]
    values = [p for p in values if p is not None and math.isfinite(p)]
    rejecting = sum(p < fairness.LEVEL for p in values)
    if rejecting in (0, len(values)):
        return ""
    return (
        f"The tests of the raw slope disagree: {rejecting} of {len(values)} reject, p from {p_value(min(values))} to "
        f"{p_value(max(values))}; it rests on an assumption about the errors."
    )
