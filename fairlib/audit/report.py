"""The numbers of an audit: the second paper's tests (section 4) on a country table, and what they may have missed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from fairlib import fairness, intervals
from fairlib.audit.images import hits
from fairlib.audit.words import interval, number

POWER, WORLDS = 0.8, 1_000
LEAST_COUNTRIES = 3  # two leave no error to test a slope with
JSON_NAMES = {"standard_error": "se", "degrees_of_freedom": "df", "p_value": "p"}  # as the report has them
VERSION = 1  # of REPORT.json, as schema.json describes it
STEEPEST = 1.0  # accuracy per unit of log GDP: from none right to all right within a factor e of wealth
SHIFTS = {-1: "are they counted from 1?", 1: "does the model have a class of its own in front, such as background?"}


def analyse(table: pd.DataFrame, *, worlds: int = WORLDS, seed: int = 0) -> dict:
    """Everything that an audit says about a country table.

    Parameters
    ----------
    table : pandas.DataFrame
        As `fairlib.fairness.country_table` makes it, with a column `name` besides.
    worlds : int
        Simulated samples for each slope of the power curve.
    seed : int
        Of the permutations and of the simulation.

    Returns
    -------
    dict
        `slope`: the paper's regression. `tests`: that and the alternatives. `permutation`: p and its Monte-Carlo 95 %
        interval. `effect`: what the slope amounts to, with the slope's interval where it is a multiple of it.
        `accuracy`, `accuracy_low`, `accuracy_high`: over all images. `countries`: the table's rows. `influence`: the
        slope without each country. `power`: as `detectable_slopes` returns it. `jsonable` makes JSON of it. Of fewer
        than three countries there are the accuracies and the table alone; what belongs to a slope is None or empty.

    Raises
    ------
    ValueError
        For a table of three countries or more without a slope.
    """
    overall = fairness.overall(table)
    accuracies = {
        "accuracy": overall["accuracy"],
        "accuracy_low": overall["low"],
        "accuracy_high": overall["high"],
        "countries": table.reset_index(names="country").to_dict("records"),
    }
    if len(table) < LEAST_COUNTRIES:
        return {
            "slope": None,
            "tests": [],
            "permutation": None,
            "effect": None,
            "influence": [],
            "power": None,
        } | accuracies
    slope = fairness.slope(table)
    tests = [fairness.slope(table, method) for method in fairness.METHODS]
    p, low, high = fairness.permutation(table, seed=seed)
    scales = {"doubling": math.log(2), "gap": np.ptp(table["log_gdp"])}
    bounds = {f"{name}_{end}": scale * getattr(slope, end) for name, scale in scales.items() for end in ("low", "high")}
    influence = fairness.influence(table).rename(columns=JSON_NAMES) if len(table) > 3 else pd.DataFrame()
    between_countries = math.sqrt(tests[-1].tau2)
    reach = 8 * max(slope.standard_error, 1e-3)
    return {
        "slope": _fields(slope) | {"F": slope.F},
        "tests": [_fields(test) for test in tests],
        "permutation": {"p": p, "low": low, "high": high},
        "effect": fairness.effect_sizes(table) | bounds,
        "influence": influence.reset_index(names="country").to_dict("records"),
        "power": detectable_slopes(table, between_countries, reach, worlds=worlds, seed=seed),
    } | accuracies


def _fields(test: fairness.Slope) -> dict:
    """A test's fields under the names that the report has for them."""
    return {JSON_NAMES.get(name, name): value for name, value in asdict(test).items()}


def detectable_slopes(table: pd.DataFrame, tau: float, reach: float, *, worlds: int, seed: int) -> dict:
    """How often the paper's test would find slopes of some sizes with a table's GDPs and numbers of images.

    Parameters
    ----------
    table : pandas.DataFrame
        A country table; its `log_gdp` and `n` count.
    tau : float
        Standard deviation between countries beyond the sampling of images, in units of accuracy.
    reach : float
        The steepest slope to try at first, in accuracy per unit of log GDP. It is doubled until the test finds 80 %, or
        the slope is steeper than any (`STEEPEST`).
    worlds : int
        Simulated samples for each slope.
    seed : int
        Of the simulation.

    Returns
    -------
    dict
        `tau` and `worlds`, as given. `curve`: for each slope the `share` of samples in which it is found, with the
        Wilson interval `low`, `high`. `detectable`: the slope that is found in 80 % of samples; `detectable_low` and
        `detectable_high`: where the upper and the lower ends of the curve's intervals pass 80 %, its Monte-Carlo
        interval. NaN for one that is not reached.
    """
    while True:
        curve = fairness.power(table, np.linspace(0, reach, 17).tolist(), tau=tau, worlds=worlds, seed=seed)
        passed = {
            name: fairness.detectable(curve.assign(share=curve[column]), POWER)
            for name, column in (("detectable", "share"), ("detectable_low", "high"), ("detectable_high", "low"))
        }
        if math.isfinite(passed["detectable_high"]) or reach >= STEEPEST:
            break
        reach = min(2 * reach, STEEPEST)
    points = curve[["slope", "share", "low", "high"]].to_dict("records")
    return {"tau": tau, "worlds": worlds} | passed | {"curve": points}


def label_warnings(predicted: np.ndarray, labels: Sequence[tuple[int, ...]], classes: int) -> list[str]:
    """What speaks against a manifest's labels being those of the model, in sentences; most often nothing.

    Parameters
    ----------
    predicted : (N,) int64
        Class indices that the model gave.
    labels : sequence of tuple of int
        For each of the N images the class indices that are right.
    classes : int
        How many classes the model has.

    Returns
    -------
    list of str
        One sentence for labels that fit better once all are shifted by -1 or +1: the 95 % interval of the difference
        between the two accuracies on these images (`fairlib.intervals.paired`) lies above 0. One for an accuracy whose
        Wilson interval reaches down to chance, the share of classes that are right for an image.
    """
    right = {by: hits(predicted, [[label + by for label in those] for those in labels]) for by in (0, *SHIFTS)}
    counts = pd.DataFrame({"right": {by: r.sum() for by, r in right.items()}, "n": len(predicted)})
    accuracies = intervals.with_interval(counts)
    words = {by: f"{number(row['accuracy'])} {interval(row)}" for by, row in accuracies.iterrows()}
    warnings = []
    best = max(SHIFTS, key=lambda by: right[by].sum())
    gained, lost = int((right[best] & ~right[0]).sum()), int((right[0] & ~right[best]).sum())
    if intervals.paired(gained, lost, len(predicted))[1] > 0:
        warnings.append(
            f"With {best:+d} added to every label the accuracy would be {words[best]}, not {words[0]}: {SHIFTS[best]} "
            f"Label 0 must be the first of the model's {classes} classes."
        )
    chance = np.mean([len(set(those)) for those in labels]) / classes
    if accuracies["low"][0] <= chance:
        warnings.append(
            f"The accuracy {words[0]} is not above chance, {number(chance)}, and a slope says little then; "
            f"are the labels those of the model's {classes} classes?"
        )
    return warnings


def jsonable(value: object) -> object:
    """Put a report into what JSON has words for.

    Parameters
    ----------
    value : object
        A number, a word, or mappings and lists of these.

    Returns
    -------
    object
        The same with plain Python numbers, and None for what is not finite.
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
