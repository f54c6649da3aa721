"""What the first page's answers stand on, from the records, and what their pictures show."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fairlib import intervals
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


def farther() -> dict[str, Estimate]:
    """How much farther from the photograph the new attack is than each older one, by LPIPS times 1,000.

    Returns
    -------
    dict of str to Estimate
        By the older attack's name; over the photographs that both turn.
    """
    found = claims.recorded("table1")
    found["ours_a=0_minus_pgd/LPIPS"] = claims.mirrored(found["pgd_minus_ours_a=0/LPIPS"])
    return {name: found[f"ours_a=0_minus_{method}/LPIPS"] for method, name in OLDER.items()}


def thirds() -> pd.DataFrame:
    """Accuracy in thirds of the countries by wealth, before and after training on Algorithm 1's attacks.

    Returns
    -------
    pandas.DataFrame
        The poorest third first: `before`, exact, and the mean change over adversarial data sets, `value`, with its 95 %
        interval over them, `low` and `high`.
    """
    every = fairer.held_out()
    n = every.query("n > 0")["n"]
    before, after = fairer.accuracies("start"), fairer.accuracies("ours")
    parts = np.array_split(every["log_gdp"].to_numpy().argsort(), 3)
    rows = {}
    for name, part in zip(("poorest", "middle", "richest"), parts, strict=True):
        own = n.where(n.index.isin(every.index[part]), 0)
        weights = (own / own.sum()).to_numpy()
        change = intervals.over_seeds((after - before) @ weights)
        rows[name] = {"before": (before @ weights).item()} | {end: change[end] for end in ("value", "low", "high")}
    return pd.DataFrame(rows).T


def early() -> dict[str, float | dict[str, float]]:
    """What the shorter training of `fairer.early` changes, with countries and adversarial data sets drawn anew.

    Returns
    -------
    dict
        `alpha` and `rounds`, the training's; `slope` and `poorest`, what it adds to the slope and to the accuracy in
        the poorest third, with `value`, `low`, `high`. Empty where there is no such training.
    """
    point = fairer.early(fairer.frontier())
    if not point:
        return {}
    countries = fairer.held_out()
    there = countries["n"].to_numpy() > 0
    log_gdp, n = countries.loc[there, "log_gdp"].to_numpy(), countries.loc[there, "n"].to_numpy()
    rows = shared.largest(runner.results("frontier"), ["arm", "seed"])
    rows = rows[(rows["arm"] == "ours") & (rows["alpha"] == point["alpha"]) & (rows["rounds"] == point["rounds"])]
    right = np.stack([np.mean(list(own), axis=0) for _, own in rows.groupby("seed")["right"]])
    arms = [fairer.accuracies("start"), right[:, there] / n]
    poor = np.flatnonzero(countries.index[there].isin(fairer.poorest_countries()))
    slope = shared.country_draws(shared.slope_of(log_gdp, n), len(n), arms)
    worst = shared.country_draws(shared.accuracy_of(n[poor]), len(poor), [one[:, poor] for one in arms])
    added = {name: shared.percentiles(d[:, 1] - d[:, 0]) for name, d in (("slope", slope), ("poorest", worst))}
    return {"alpha": point["alpha"], "rounds": point["rounds"]} | added


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
    distances = {
        "the new one less": {name: _ends(e) for name, e in farther().items()},
    }
    fair = {
        "before": {name: (100 * row["before"],) * 3 for name, row in groups.iterrows()},
        "after": {
            name: tuple(100 * (row["before"] + row[end]) for end in ("value", "low", "high"))
            for name, row in groups.iterrows()
        },
    }
    return [
        (_rows({who: changes[who] for who in (NOBODY, UNAWARE)}), "gain, in 100 answers"),
        (_rows({who: changes[who] for who in (UNAWARE, AWARE)}), "gain, in 100 answers"),
        (_rows(distances).sort_values("value"), "how much farther, thousandths"),
        (_rows(fair), "right answers of 100"),
    ]


def _ends(e: Estimate, times: float = 1.0) -> Ends:
    return times * e.value, times * e.low, times * e.high


def _rows(series: Mapping[str, Mapping[str, Ends]]) -> pd.DataFrame:
    rows = [(label, name, *ends) for name, found in series.items() for label, ends in found.items()]
    return pd.DataFrame(rows, columns=["label", "series", "value", "low", "high"])
