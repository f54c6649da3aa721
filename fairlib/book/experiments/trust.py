"""Can the tests be trusted? What they find where nothing is to be found, in the simulated world and among trained
models.

Second paper, sections 4.1 and 4.3. The comparison of equal attacks reads the records of the chapter `fairer`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fairlib import checks, fairness, geography, intervals
from fairlib.book import runner
from fairlib.book.experiments import bias_metric, fairer, shared

MODELS = {"embedded": 3, "paper": 10}
WORLDS = 4_000
IMAGES = (1_000, 10_000, 100_000)  # in all countries together; the paper does not print its number
PRINTED = {"pgd": (3.85, 0.00017), "perc": (2.95, 0.00242)}  # t and p (section 4.3)
ARM = 50  # models in an arm (section 4.3)
SETS = 2_000  # resamples of the data sets
TAU, DRAWN = 0.04, 2_000  # standard deviation between fair countries, and worlds drawn with it


def units(profile: str) -> list[dict]:
    """One training per world without a shortcut."""
    return [{"seed": seed} for seed in range(MODELS[checks.one_of(profile, tuple(MODELS), "profile")])]


def run(*, seed: int) -> dict:
    """`rows`: in how many of so many `worlds` each `method` (`fairness.METHODS`) has `rejected` at the level 0.05.

    The model is trained in a world without a shortcut, and so are the worlds in which it is tested redrawn from its
    held-out images: countries differ by chance alone. `accuracy`: the model's, on those images.
    """
    model = bias_metric.trained(seed, shortcut=False)
    plain, _ = bias_metric.both_ways(model, seed)
    world = geography.shares()
    n, right = bias_metric.redrawn(plain, plain, world, WORLDS, np.random.default_rng(seed))
    rejected = {method: over_worlds(n, right, world["log_gdp"].to_numpy(), method) for method in fairness.METHODS}
    rows = [{"method": method, "rejected": int(r.sum()), "worlds": WORLDS} for method, r in rejected.items()]
    return {"rows": rows, "accuracy": float(plain.mean())}


def over_worlds(n: np.ndarray, right: np.ndarray, g: np.ndarray, method: str) -> np.ndarray:
    """Whether a test rejects in each of R worlds: images and right ones by country (R, k) -> (R,) bool.

    A country without images is left out.
    """
    full = (n > 0).all(1)
    found = np.zeros(len(n), dtype=bool)
    found[full] = fairness.rejects(g, right[full] / n[full], n[full], method)
    for i in np.flatnonzero(~full):
        there = n[i] > 0
        found[i] = fairness.rejects(g[there], (right[i, there] / n[i, there])[None], n[i, there], method)[0]
    return found


# --- Which t-test. ----------------------------------------------------------------------------------------------------


def candidates(t: float, models: int = ARM) -> pd.DataFrame:
    """p of a printed t in the standard tests of two arms of models, and what its rounding to two decimals allows.

    Rows by `test` with `df`: `p`, `low`, `high`. Welch's test has between models - 1 and 2 (models - 1) degrees of
    freedom, depending on the two variances; its p has the interval between these ends.
    """
    one, two = models - 1, 2 * models - 2
    rows = []
    for sides, name in ((1, "one-sided"), (2, "two-sided")):
        for test, few, many in (("paired", one, one), ("pooled", two, two), ("Welch", one, two)):
            p, low, high = (
                sides * stats.t.sf(t + shift, df) for shift, df in ((0, many), (0.005, many), (-0.005, few))
            )
            rows.append((f"{test}, {name}", f"{few}" if few == many else f"{few} to {many}", p, low, high))
    return pd.DataFrame(rows, columns=["test", "df", "p", "low", "high"]).set_index("test")


# --- The same attack, twice. ------------------------------------------------------------------------------------------


def twins(slopes: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """Which of two D_rob of one attack the paper's test calls the fairer, with 95 % certainty: arm -> (sets, sets)
    bool.

    slopes: of each arm, the slopes of as many models from each of its data sets. Row i, column j: the pooled one-sided
    test says that the models of j have smaller slopes than those of i.
    """
    return {
        arm: np.array([[i is not j and fairness.compare(i, j).p_value < fairness.LEVEL for j in sets] for i in sets])
        for arm, sets in slopes.items()
    }


def size_between_twins(found: Mapping[str, np.ndarray], *, seed: int = 0) -> dict[str, float]:
    """The share of ordered pairs of data sets of one attack in which the test rejects, over all arms, and its 95 %
    interval.

    The pairs of one arm share data sets, so the interval is a bootstrap of the data sets, each arm's on its own.
    """

    def share(chosen: Callable[[int], np.ndarray]) -> float:
        pairs = hits = 0
        for table in found.values():
            at = chosen(len(table))
            apart = at[:, None] != at[None]
            pairs += apart.sum()
            hits += table[np.ix_(at, at)][apart].sum()
        return hits / pairs if pairs else np.nan

    rng = np.random.default_rng(seed)
    drawn = [share(lambda sets: rng.integers(sets, size=sets)) for _ in range(SETS)]
    value, (low, high) = share(np.arange), np.nanquantile(drawn, [0.025, 0.975])
    return shared.interval(value, min(low, value), max(high, value))


def recorded_slopes() -> dict[str, list[np.ndarray]]:
    """The slopes of `fairer`'s adversarial arms by data set, as many models of each. FileNotFoundError without
    records."""
    found = fairer.slopes()
    arms = {arm: fairer.by_set(found, arm) for arm in fairer.ADVERSARIAL}
    if short := [arm for arm, sets in arms.items() if len(sets) < 2]:
        raise FileNotFoundError(f"no two data sets of {', '.join(short)} yet; run `make reproduce ONLY=fairer/`")
    fewest = min(len(models) for sets in arms.values() for models in sets)
    return {arm: [models[:fewest] for models in sets] for arm, sets in arms.items()}


# --- For the ledger. --------------------------------------------------------------------------------------------------


def exponent(table: pd.DataFrame) -> float:
    """The slope of log sd on log n over the countries of a world: `sd`, `mean_n` as `bias_metric.run` records them."""
    used = table[table["sd"] > 0]
    return float(np.polyfit(np.log(used["mean_n"]), np.log(used["sd"]), 1)[0])


def sizes() -> pd.DataFrame:
    """Each method's share of rejections in worlds without a shortcut, with its Wilson 95 % interval, over all
    models."""
    found = runner.results("trust").groupby("method", sort=False)[["rejected", "worlds"]].sum()
    low, high = proportion_confint(found["rejected"], found["worlds"], method="wilson")
    return found.assign(share=found["rejected"] / found["worlds"], low=low, high=high)


def models_tested() -> int:
    """How many models the recorded sizes rest on, one of each world without a shortcut."""
    return len(runner.records("trust"))


def size_apart(tau: float) -> dict[str, float]:
    """The share of rejections of the paper's test in fair worlds whose countries differ by a standard deviation tau."""
    world = geography.shares()
    sample = pd.DataFrame({"n": np.round(bias_metric.IMAGES * world["share"]), "log_gdp": world["log_gdp"]})
    (found,) = fairness.power(sample, [0.0], tau=tau, methods=("gls",), accuracy=0.9, worlds=DRAWN).to_dict("records")
    return shared.interval(found["share"], found["low"], found["high"])


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records.

    The one about equal attacks is left out as long as `fairer` has no records.
    """
    redraws = f"{len(bias_metric.tables())} worlds x {bias_metric.REDRAWN} redraws of {bias_metric.IMAGES:,} images"
    world = {"record": "results/bias_metric", "n": bias_metric.IMAGES, "anchor": "which-weights", "basis": redraws}
    quantities = {
        "world/variance_exponent": intervals.over_seeds([exponent(t) for t in bias_metric.tables().values()]) | world
    }
    gls = sizes().loc["gls"]
    share = shared.interval(gls["share"], gls["low"], gls["high"])
    tested = {"record": "results/trust", "anchor": "which-weights", "units": models_tested()}
    basis = f"{models_tested()} models x {WORLDS:,} redrawn worlds"
    quantities["ftest/size"] = share | tested | {"basis": basis}
    apart = size_apart(TAU)
    quantities[f"ftest/size/tau={TAU:g}"] = apart | {"anchor": "which-weights", "basis": f"{DRAWN:,} drawn worlds"}
    for arm, (t, _) in PRINTED.items():
        found = candidates(t)
        for name, test in (("df=49", "paired, one-sided"), ("two_sample", "pooled, one-sided")):
            numbers = shared.interval(found["p"][test], found["low"][test], found["high"][test])
            shown = {"anchor": "which-t-test", "basis": "from the printed t, as it is rounded"}
            quantities[f"ttest/{arm}/p/{name}"] = numbers | shown
    try:
        same = size_between_twins(twins(recorded_slopes()))
    except FileNotFoundError:
        return quantities
    basis = "one world and one start model; eight data sets of each of four attacks, ten models of each"
    shown = {"record": "results/fairer", "anchor": "same-attack-two-seeds", "units": 1, "basis": basis}
    return quantities | {"ttest/size/same_attack": same | shown}
