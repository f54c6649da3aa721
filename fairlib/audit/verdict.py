"""The verdict of an audit: one primary analysis, stated in advance, what it needs, and what speaks against it.

Primary: the slope of accuracy on log wealth between images of one class (`fairlib.fairness.within_class`). The raw
slope stands beside it; a slope is established where both have one sign and the primary test rejects.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from fairlib import fairness
from fairlib.audit.words import number, p_equals, p_value

PRIMARY = (
    "Stated in advance: the slope of accuracy on log wealth between images of one class (the class's own level is "
    "taken out of both), standard errors CR2 by country with Satterthwaite's degrees of freedom, both allowing for "
    "effects of countries, two-sided at the level 0.05. "
    "Established is a slope that this test shows and that has the sign of the raw slope."
)
JSON_NAMES = {"standard_error": "se", "degrees_of_freedom": "df", "p_value": "p"}  # as the report has them
ESTABLISHED, NOT_ESTABLISHED, TOO_FEW = "established", "not established", "too few images to say"
LEAST = fairness.Least()


@dataclass(frozen=True)
class Decision:
    """What the primary analysis finds, and what that allows to say.

    Attributes
    ----------
    outcome : {'established', 'not established', 'too few images to say'}
        The verdict.
    term : {'between', 'within'}
        Which of the slopes decides.
    slopes : dict of fairlib.fairness.ClassSlope
        By term, those that there are.
    too_few : list of str
        What is missing for a verdict, and what would suffice.
    """

    outcome: str
    term: str
    slopes: dict[str, fairness.ClassSlope]
    too_few: list[str]


def decide(images: pd.DataFrame, raw: float | None, least: fairness.Least | None = None) -> Decision:
    """Make the verdict, as stated in advance (`PRIMARY`); `judge` sets beside it what a reader should know.

    Parameters
    ----------
    images : pandas.DataFrame
        A row per classified image: `right`, `log_wealth`, `class`, `country`, its `name`, and perhaps `cluster`.
    raw : float, optional
        The raw slope between countries; None where they have none.
    least : fairlib.fairness.Least, optional
        What a verdict needs; by default `LEAST`.

    Returns
    -------
    Decision
        Established is a slope whose test rejects at the level 0.05 and that has the sign of the raw one, where there
        is one.
    """
    clusters = images.get("cluster")
    found, missing = {}, []
    try:
        found = fairness.within_class(
            images["right"], images["log_wealth"], images["class"], images["country"], clusters=clusters
        )
    except ValueError as error:
        missing.append(f"images of one class cannot be compared: {error}")
    term = "between" if "between" in found else "within"
    least = LEAST if least is None else least
    missing += fairness.too_few(images["right"], images["name"], slope=found.get(term), least=least)
    if missing:
        return Decision(TOO_FEW, term, found, missing)
    primary = found[term]
    agrees = term == "within" or raw is None or np.sign(raw) == np.sign(primary.slope)
    outcome = ESTABLISHED if primary.p_value < fairness.LEVEL and agrees else NOT_ESTABLISHED
    return Decision(outcome, term, found, missing)


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
    if report["slope"] is None and not _own_wealth(images):
        return _no_slope(images)
    least = LEAST if least is None else least
    raw = report["slope"] and report["slope"]["slope"]
    decision = decide(images, raw, least)
    slopes = {term: _fields(slope) if (slope := decision.slopes.get(term)) else None for term in ("between", "within")}
    result = {"primary": PRIMARY, "term": decision.term, **slopes, "least": asdict(least), "too_few": decision.too_few}
    result |= _explained(images, slopes["between"])
    result["overlap"] = _overlap(images)
    result["outcome"] = decision.outcome
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
