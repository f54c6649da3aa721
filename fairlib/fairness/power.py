"""How often a test of the slope finds one: simulated countries, rejections, power."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fairlib import checks
from fairlib.fairness.slope import METHODS, t_statistics
from fairlib.fairness.table import LEVEL, MAKE_TABLE, Array, design


def simulate(
    log_gdp: ArrayLike,
    n: ArrayLike,
    *,
    slope: float,
    accuracy: float,
    tau: float = 0.0,
    worlds: int,
    rng: np.random.Generator,
) -> Array:
    """Draw the accuracies of countries whose true ones lie around a line.

    Parameters
    ----------
    log_gdp : (k,) numbers
        Natural logarithm of GDP per head of each country.
    n : (k,) whole numbers >= 1
        Images of each country.
    slope : float
        Of the line, in accuracy per unit of log GDP.
    accuracy : float in [0, 1]
        The line at the image-weighted mean of `log_gdp`.
    tau : float >= 0
        Standard deviation of the countries about the line.
    worlds : int >= 1
        How many times to draw.
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    (worlds, k) float64
        Shares of right answers among n_i independent images.

    Raises
    ------
    ValueError
        When an argument is not as above.

    Notes
    -----
    n_i p_i ~ Binomial(n_i, q_i), q_i = accuracy + slope (g_i - mean g) + tau u_i cut to [0, 1], u_i standard normal.
    """
    log_gdp, n = checks.numbers(log_gdp, "log_gdp"), checks.counts(n, "n", low=1)
    if log_gdp.shape != n.shape:
        raise ValueError(f"log_gdp has shape {log_gdp.shape} and n {n.shape}, expected one of each per country")
    checks.finite(slope, "slope")
    checks.unit(accuracy, "accuracy")
    if checks.finite(tau, "tau") < 0:
        raise ValueError(f"tau is {tau!r}, expected 0 or more: it is a standard deviation")
    checks.whole(worlds, "worlds")
    checks.instance(rng, np.random.Generator, "rng", "get one with np.random.default_rng(seed)")
    line = accuracy + slope * (log_gdp - np.average(log_gdp, weights=n))
    true = np.clip(line + tau * rng.standard_normal((worlds, len(log_gdp))), 0, 1)
    return rng.binomial(n.astype(int), true) / n


def rejects(log_gdp: ArrayLike, accuracy: ArrayLike, n: ArrayLike, method: str = "gls") -> NDArray[np.bool_]:
    """Test the slope in many worlds at once, at the level 0.05.

    Parameters
    ----------
    log_gdp : (k,) numbers
        Natural logarithm of GDP per head of each country, k >= 3.
    accuracy : (worlds, k) numbers in [0, 1]
        Share of right answers of each country in each world.
    n : (k,) or (worlds, k) whole numbers >= 1
        Images of each country.
    method : str
        One of `METHODS`, as in `fairlib.fairness.slope`.

    Returns
    -------
    (worlds,) bool
        Whether the test that the slope is zero rejects; never where every country has the same accuracy.

    Raises
    ------
    ValueError
        When the method is unknown, the shapes do not fit, or `log_gdp` is the same everywhere.
    """
    checks.one_of(method, METHODS, "method")
    log_gdp = checks.numbers(log_gdp, "log_gdp", least=3)
    accuracy = checks.numbers(accuracy, "accuracy", low=0, high=1, axes=2, least=0)
    n = checks.counts(n, "n", low=1, axes=None, least=0)
    if accuracy.shape[1] != len(log_gdp) or n.shape not in (log_gdp.shape, accuracy.shape):
        raise ValueError(
            f"log_gdp has shape {log_gdp.shape}, accuracy {accuracy.shape}, n {n.shape}; expected (k,), (worlds, k), "
            "and (k,) or (worlds, k)"
        )
    if np.ptp(log_gdp) == 0:
        raise ValueError("log_gdp is the same everywhere, expected countries of different GDP per head")
    varied = np.ptp(accuracy, axis=-1) > 0
    n = np.broadcast_to(n, accuracy.shape)
    threshold = stats.t.ppf(1 - LEVEL / 2, accuracy.shape[-1] - 2)
    rejected = np.zeros(len(accuracy), dtype=bool)
    rejected[varied] = np.abs(t_statistics(log_gdp, accuracy[varied], n[varied], method)) > threshold
    return rejected


def power(
    table: pd.DataFrame,
    slopes: Sequence[float],
    *,
    methods: Sequence[str] = ("gls",),
    accuracy: float | None = None,
    tau: float = 0.0,
    worlds: int = 2_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Simulate how often a test finds a slope of a given size among a table's countries.

    Parameters
    ----------
    table : DataFrame
        A country table, of which `n` and `log_gdp` are used (and `accuracy` where the argument is None).
    slopes : sequence of float
        True slopes, in accuracy per unit of log GDP.
    methods : sequence of str
        Tests, of `METHODS`.
    accuracy : float in [0, 1], optional
        Mean true accuracy; by default the table's over all images.
    tau : float >= 0
        Standard deviation of the countries about the line.
    worlds : int >= 1
        Simulated worlds for each slope.
    seed : int >= 0
        Draws the worlds, the same ones for every method.

    Returns
    -------
    DataFrame
        A row per slope and method: `slope`, `method`, `rejected`, `worlds`, `share` = rejected / worlds, and its Wilson
        95 % interval `low`, `high`. At slope zero the share is the test's size, elsewhere its power.

    Raises
    ------
    ValueError
        When an argument is not as above.
    """
    log_gdp, n = design(table)
    slopes = checks.numbers(slopes, "slopes")
    checks.several(methods, "methods")
    methods = [checks.one_of(method, METHODS, "a method") for method in methods]
    checks.whole(seed, "seed", 0)
    if accuracy is None:
        checks.columns(table, ("accuracy",), "the country table", MAKE_TABLE)
        accuracy = float(np.average(checks.numbers(table["accuracy"], "accuracy", low=0, high=1), weights=n))
    rows = []
    for slope in slopes:
        rng = np.random.default_rng(seed)
        drawn = simulate(log_gdp, n, slope=slope, accuracy=accuracy, tau=tau, worlds=worlds, rng=rng)
        for method in methods:
            rows.append((float(slope), method, int(rejects(log_gdp, drawn, n, method).sum())))
    counts = pd.DataFrame(rows, columns=["slope", "method", "rejected"]).assign(worlds=worlds)
    low, high = proportion_confint(counts["rejected"], worlds, method="wilson")
    return counts.assign(share=counts["rejected"] / worlds, low=low, high=high)


def detectable(curve: pd.DataFrame, target: float = 0.8) -> float:
    """Read off a power curve the smallest slope that is found often enough.

    Parameters
    ----------
    curve : DataFrame
        The rows of one method from `power`: `slope` from 0 upwards, each once, and `share`.
    target : float in [0, 1]
        The power wanted.

    Returns
    -------
    float
        The slope, interpolated linearly; NaN where the curve does not get to the target.

    Raises
    ------
    ValueError
        When a column is missing or holds what it cannot, or a slope stands twice.

    Examples
    --------
    >>> curve = pd.DataFrame({"slope": [0.0, 0.01, 0.02], "share": [0.05, 0.4, 0.9]})
    >>> round(detectable(curve), 4)
    0.018
    """
    checks.columns(curve, ("slope", "share"), "the power curve", "make it with fairlib.fairness.power")
    checks.unit(target, "target")
    checks.numbers(curve["slope"], "slope", low=0)
    checks.numbers(curve["share"], "share", low=0, high=1)
    curve = curve.sort_values("slope")
    if not curve["slope"].is_unique:
        raise ValueError("the power curve has a slope twice, expected each once; take the rows of one method")
    share, slopes = np.maximum.accumulate(curve["share"].to_numpy()), curve["slope"].to_numpy()
    if share[-1] < target:
        return float("nan")
    i = int(np.argmax(share >= target))
    return float(slopes[0] if i == 0 else np.interp(target, share[i - 1 : i + 1], slopes[i - 1 : i + 1]))
