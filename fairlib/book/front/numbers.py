"""What the first page's answers stand on, from the records, and what their pictures show."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fairlib.book import claims, runner
from fairlib.book.claims import Estimate
from fairlib.book.experiments import fairer, shared

PAIRS = {  # what a newcomer calls the first paper's four cases: a network on a data set
    "FullyConnected/MNIST": "digits, plain net",
    "LeNet5/MNIST": "digits, LeNet",
    "FullyConnected/FashionMNIST": "clothes, plain net",
    "LeNet5/FashionMNIST": "clothes, LeNet",
}
NOBODY, UNAWARE, AWARE = "no attack", "attacked", "attacker knows"
GAINS = {
    NOBODY: ("centroid_defense", "gain/eps=0"),
    UNAWARE: ("centroid_defense", "gain/eps=0.1"),
    AWARE: ("stress_tests", "strongest/gain/eps=0.1"),
}
OLDER = {"perc_al": "PerC-AL", "pgd": "PGD", "ppgd": "PPGD", "lpa": "LPA"}
Ends = tuple[float, float, float]  # value, low, high


def gains() -> dict[str, dict[str, Estimate]]:
    """What the defence changes of the accuracy in each of the four cases.

    Returns
    -------
    dict of str to dict of str to Estimate
        By who attacks (nobody, one who does not know the defence, one who does), then by case.
    """
    recorded = {chapter: claims.recorded(chapter) for chapter, _ in GAINS.values()}
    return {who: {pair: recorded[chapter][f"{pair}/{key}"] for pair in PAIRS} for who, (chapter, key) in GAINS.items()}


def of_100(who: str) -> tuple[str, ...]:
    """The headlines of the four cases, in right answers of 100, in the order of `PAIRS`."""
    chapter, quantity = GAINS[who]
    return tuple(f"{chapter}/{pair}/{quantity}, of 100" for pair in PAIRS)


def best(found: dict[str, Estimate]) -> str:
    """The case with the largest value."""
    return max(found, key=lambda case: found[case].value)


def farther(*, image: bool = False) -> dict[str, Estimate]:
    """How much farther from the photograph the new attack is than each older one, by LPIPS times 1,000.

    Parameters
    ----------
    image : bool
        Whether those that start from noise here (PPGD, LPA) start from the photograph instead.

    Returns
    -------
    dict of str to Estimate
        By the older attack's name; over the photographs that both turn.
    """
    found = claims.recorded("table1")
    found["ours_a=0_minus_pgd/LPIPS"] = claims.mirrored(found["pgd_minus_ours_a=0/LPIPS"])
    keys = {name: f"ours_a=0_minus_{method}/LPIPS" for method, name in OLDER.items()}
    other = {name: f"start=image/{key}" for name, key in keys.items() if image and f"start=image/{key}" in found}
    return {name: found[key] for name, key in (keys | other).items()}


def rises(e: Estimate) -> bool:
    """Whether all of an interval lies above zero."""
    return e.low > 0


def falls(e: Estimate) -> bool:
    """Whether all of an interval lies below zero."""
    return e.high < 0


def thirds() -> pd.DataFrame:
    """Accuracy in thirds of the countries by wealth, before and after training on Algorithm 1's attacks.

    Returns
    -------
    pandas.DataFrame
        The poorest third first: `before`, and the mean change over adversarial data sets, `value`, with its 95 %
        interval, `low` and `high`, with countries and data sets drawn anew.
    """
    every = fairer.held_out()
    there = every.query("n > 0")
    arms = [fairer.accuracies(arm) for arm in ("start", *fairer.RIVALS, "ours")]  # those of `fairer.drawn`, whose draws
    parts = np.array_split(every["log_gdp"].to_numpy().argsort(), 3)
    rows = {}
    for name, part in zip(("poorest", "middle", "richest"), parts, strict=True):
        own = np.flatnonzero(there.index.isin(every.index[part]))
        right = shared.accuracy_of(there["n"].to_numpy()[own])
        draws = shared.country_draws(right, len(own), [one[:, own] for one in arms])
        change = shared.percentiles(draws[:, -1] - draws[:, 0])
        rows[name] = {"before": draws[0, 0]} | {end: change[end] for end in ("value", "low", "high")}
    return pd.DataFrame(rows).T


def early() -> dict[str, float | dict[str, float]]:
    """What the shorter training of `fairer.early` changes, with countries and adversarial data sets drawn anew.

    Returns
    -------
    dict
        `alpha` and `rounds`, the training's, and `tried`, out of how many of these; `slope` and `poorest`, what it adds
        to the slope and to the accuracy in the poorest third, with `value`, `low`, `high`. Empty where there is no such
        training.
    """
    path = fairer.frontier()
    point = fairer.early(path)
    if not point:
        return {}
    n = fairer.held_out()["n"].to_numpy()
    rows = shared.largest(runner.results("frontier"), ["arm", "seed"])
    rows = rows[(rows["arm"] == "ours") & (rows["alpha"] == point["alpha"]) & (rows["rounds"] == point["rounds"])]
    right = np.stack([np.mean(list(own), axis=0) for _, own in rows.groupby("seed")["right"]])
    drawn = fairer.drawn({"start": fairer.accuracies("start"), "early": right[:, n > 0] / n[n > 0]})
    slope, poorest = (shared.percentiles(found["early"] - found["start"]) for found in drawn)
    tried = path.query("arm == 'ours' and rounds > 0").groupby(["alpha", "rounds"]).ngroups
    return {"alpha": point["alpha"], "rounds": point["rounds"], "tried": tried, "slope": slope, "poorest": poorest}


def pictures() -> list[tuple[pd.DataFrame, str]]:
    """What `plots.card` draws on each card, in the order of `answers`.

    Returns
    -------
    list of tuple of pandas.DataFrame and str
        Rows of `label`, `series`, `value`, `low`, `high`; and what the axis says.
    """
    by_attack, groups = gains(), thirds()
    changes = {
        who: {PAIRS[pair]: _ends(e, 100) for pair, e in estimates.items()} for who, estimates in by_attack.items()
    }
    distances = {"by": {name: _ends(e) for name, e in farther().items()}}
    fair = {
        "by": {
            f"{name}, from {100 * row['before']:.0f}": tuple(100 * row[end] for end in ("value", "low", "high"))
            for name, row in groups.iterrows()
        },
    }
    return [
        (_rows({who: changes[who] for who in (NOBODY, UNAWARE)}), "gain, in 100 answers"),
        (_rows({who: changes[who] for who in (UNAWARE, AWARE)}), "gain, in 100 answers"),
        (_rows(distances).sort_values("value"), "the new one farther by, thousandths"),
        (_rows(fair), "change, right answers of 100"),
    ]


def _ends(e: Estimate, times: float = 1.0) -> Ends:
    return times * e.value, times * e.low, times * e.high


def _rows(series: Mapping[str, Mapping[str, Ends]]) -> pd.DataFrame:
    rows = [(label, name, *ends) for name, found in series.items() for label, ends in found.items()]
    return pd.DataFrame(rows, columns=["label", "series", "value", "low", "high"])
