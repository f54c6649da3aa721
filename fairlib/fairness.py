"""Is a classifier as accurate on the images of poor countries as on those of rich ones?

Second paper, sections 4.1 and 4.3: the regression of a country's accuracy on its log GDP per head, the F-test of its
slope, the t-tests between collections of models; and what they can be checked against: other weights, robust errors, a
meta-regression, permutations, comparisons over independent adversarial data sets, and simulated size and power.

A country table, the argument called `table`, has a row per country and the columns `n` (images), `accuracy` (the share
that is right) and `log_gdp` (natural logarithm of GDP per head); `country_table` makes one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.regression.linear_model import RegressionResults
from statsmodels.stats.proportion import proportion_confint

from fairlib import checks, intervals

Array = NDArray[np.float64]
LEVEL = 0.05  # the paper's (section 4.1)
# The variance of a country's accuracy goes like 1 over these, which are the weights of the regression.
WEIGHTS = {"gls": np.sqrt, "wls": np.asarray, "ols": np.ones_like}
METHODS = (*WEIGHTS, "hc3", "meta")
TESTS = ("pooled", "welch", "paired")
MADE = "make it with fairlib.fairness.country_table"


def country_table(country: Sequence, right: ArrayLike, log_gdp: pd.Series) -> pd.DataFrame:
    """Accuracy by country, with Wilson 95 % intervals, from one entry per image.

    country (N,): keys of `log_gdp`; right (N,) bool: whether the image is classified correctly. Returns a row per
    country with images, in the order of `log_gdp`: `n`, `right`, `accuracy`, `low`, `high`, `log_gdp`. Raises
    ValueError for a country that is missing or that `log_gdp` lacks, what is neither right nor wrong (NaN, a share, a
    word), or arguments of different lengths.
    """
    mend = "make one with np.log(fairlib.geography.gdp())"
    checks.instance(log_gdp, pd.Series, "log_gdp", mend)
    checks.several(country, "country")
    missing = pd.isna(pd.Series(list(country), dtype=object)).to_numpy()
    if missing.any():
        raise ValueError(f"country holds {list(country)[missing.argmax()]!r}, expected one of log_gdp's; leave out "
                         "images without a country")  # fmt: skip
    country, right = np.asarray(country), checks.answers(right, "right")
    if country.shape != right.shape or country.ndim != 1 or not len(country):
        raise ValueError(f"country has shape {country.shape} and right {right.shape}, expected one of each per image")
    if strange := sorted(map(str, set(country.tolist()) - set(log_gdp.index))):
        raise ValueError(f"no GDP for {', '.join(strange)}; see fairlib.geography.match for the known names")
    if not log_gdp.index.is_unique:
        raise ValueError(
            f"log_gdp names {log_gdp.index[log_gdp.index.duplicated()][0]} twice, expected each once; {mend}"
        )
    checks.numbers(log_gdp[log_gdp.index.isin(country)], "log_gdp")
    counts = pd.DataFrame({"country": country, "right": right}).groupby("country")["right"].agg(["size", "sum"])
    counts = counts.reindex([key for key in log_gdp.index if key in counts.index])
    counts = counts.rename(columns={"size": "n", "sum": "right"}).rename_axis(log_gdp.index.name)
    return intervals.with_interval(counts).assign(log_gdp=log_gdp[counts.index])


def overall(table: pd.DataFrame) -> pd.Series:
    """The accuracy over all images of a table that has `right`: `n`, `right`, `accuracy` and Wilson's `low`, `high`."""
    checks.columns(table, ("n", "right"), "the country table", MADE)
    intervals.counted(table)
    return intervals.with_interval(table[["n", "right"]].sum().to_frame().T).iloc[0]


def checked(table: pd.DataFrame) -> tuple[Array, Array, Array]:
    """`(log_gdp, accuracy, n)` of a country table, each (k,). Raises ValueError for one that has no slope."""
    checks.columns(table, ("n", "accuracy", "log_gdp"), "the country table", MADE)
    g, n = design(table)
    p = checks.numbers(table["accuracy"], "accuracy", low=0, high=1)
    if len(table) < 3:
        raise ValueError(f"{len(table)} countries, expected at least 3: two leave no error to test with")
    if np.ptp(g) == 0:
        raise ValueError("log_gdp is the same everywhere, expected countries of different GDP per head")
    if np.ptp(p) == 0:
        raise ValueError(f"every country has the accuracy {p[0]:g}, so there is no error to test a slope with")
    return g, p, n


def design(table: pd.DataFrame) -> tuple[Array, Array]:
    """`(log_gdp, n)` of a country table, each (k,). Raises ValueError for what is no GDP, or no number of images."""
    checks.columns(table, ("n", "log_gdp"), "the country table", MADE)
    return checks.numbers(table["log_gdp"], "log_gdp"), checks.counts(table["n"], "n", low=1)


# --- The slope. -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slope:
    """A slope of accuracy on log GDP, its 95 % interval and the two-sided test that it is zero.

    `t` has Student's distribution with `df` degrees of freedom; F = t^2 with (1, df). `tau2`: the variance between
    countries beyond the sampling of images that `meta` estimates, NaN with the other methods.
    """

    method: str
    slope: float
    low: float
    high: float
    intercept: float
    se: float
    t: float
    df: int
    p: float
    tau2: float = np.nan

    @property
    def F(self) -> float:
        return self.t**2


def regression(table: pd.DataFrame) -> RegressionResults:
    """The paper's generalized least squares: p = intercept + beta g, covariance Sigma_ii = 1/sqrt(n_i) (section 4.1).

    The printed model has no intercept; F with (1, 39) degrees of freedom (section 4.3), from 41 countries, implies one.
    """
    g, p, n = checked(table)
    return sm.GLS(p, sm.add_constant(g), sigma=1 / np.sqrt(n)).fit()


def slope(table: pd.DataFrame, method: str = "gls") -> Slope:
    """The slope of accuracy on log GDP, tested in one of five ways.

    `gls`: the paper's regression and F-test. `wls`: variances like 1/n_i, as those of a share of n_i images are. `ols`:
    equal variances. `hc3`: the paper's line, its error estimated from the residuals of unequal variance (MacKinnon and
    White 1985). `meta`: random-effects meta-regression; sampling variances from the accuracy over all images and n_i,
    the variance between countries by REML, the error by Knapp and Hartung (2003). Raises ValueError as `checked` does.
    """
    g, p, n = checked(table)
    if checks.one_of(method, METHODS, "method") == "meta":
        return meta_regression(g, p, sampling_variance(p, n))
    fit = sm.GLS(p, sm.add_constant(g), sigma=1 / _weights(method, n))
    fit = fit.fit(cov_type="HC3", use_t=True) if method == "hc3" else fit.fit()
    low, high = fit.conf_int()[1]
    numbers = (fit.params[1], low, high, fit.params[0], fit.bse[1], fit.tvalues[1])
    return Slope(method, *map(float, numbers), int(fit.df_resid), float(fit.pvalues[1]))


def _weights(method: str, n: Array) -> Array:
    return WEIGHTS.get(method, np.sqrt)(n)


def band(table: pd.DataFrame, at: ArrayLike) -> pd.DataFrame:
    """The paper's line at some values of log GDP, with its 95 % confidence band: `log_gdp`, `accuracy`, `low`,
    `high`."""
    at = checks.numbers(at, "at")
    found = regression(table).get_prediction(sm.add_constant(at, has_constant="add"))
    low, high = found.conf_int().T
    return pd.DataFrame({"log_gdp": at, "accuracy": found.predicted_mean, "low": low, "high": high})


def effect_sizes(table: pd.DataFrame) -> dict[str, float]:
    """What the paper's line amounts to: accuracy per `doubling` of GDP, the `gap` between the line's ends at the
    poorest and the richest country, the share `r2` of the weighted variance that it explains, and its correlation
    `r`."""
    fit, g = regression(table), table["log_gdp"]
    beta = float(fit.params[1])
    r2 = float(fit.rsquared)
    return {
        "doubling": beta * float(np.log(2)),
        "gap": beta * float(np.ptp(g)),
        "r2": r2,
        "r": float(np.sign(beta) * r2**0.5),
    }


def influence(table: pd.DataFrame, method: str = "gls") -> pd.DataFrame:
    """Which countries carry the slope: a row per country with the `slope` and `p` without it, and the `change` that it
    makes (slope with it minus slope without it), largest first. NaN where the others alone have no slope to test. Needs
    four."""
    checked(table)
    if len(table) < 4:
        raise ValueError(f"{len(table)} countries, expected at least 4: leaving one out leaves no test with fewer")
    whole, rows = slope(table, method).slope, []
    for key in table.index:
        try:
            rest = slope(table.drop(key), method)
            rows.append((rest.slope, rest.p))
        except ValueError:
            rows.append((np.nan, np.nan))
    found = pd.DataFrame(rows, columns=["slope", "p"], index=table.index)
    found["change"] = whole - found["slope"]
    return found.sort_values("change", key=np.abs, ascending=False)


def permutation(table: pd.DataFrame, *, permutations: int = 9_999, seed: int = 0) -> tuple[float, float, float]:
    """Two-sided p of the paper's slope when GDPs are dealt out to the countries anew, with its Monte-Carlo 95 %
    interval.

    Each country keeps its accuracy and its n_i; the statistic is |t| of the paper's regression. All orders are tried
    where they are no more than `permutations`, and then the interval is the number itself. Otherwise p counts the given
    order among those tried, so that it is never zero, and the interval is Wilson's for the drawn ones alone.
    """
    g, p, n = checked(table)
    checks.whole(permutations, "permutations")
    checks.whole(seed, "seed", 0)

    def statistic(shuffled: Array, axis: int = -1) -> Array:
        return np.abs(_t(shuffled, p, n, "gls"))

    rng = np.random.default_rng(seed)
    found = stats.permutation_test(
        (g,), statistic, permutation_type="pairings", n_resamples=permutations, alternative="greater", rng=rng,
        vectorized=True, batch=1_000,
    )  # fmt: skip
    if math.factorial(len(g)) <= permutations:
        return (float(found.pvalue),) * 3
    as_large = round(found.pvalue * (permutations + 1)) - 1
    low, high = proportion_confint(as_large, permutations, method="wilson")
    return float(found.pvalue), low, high


# --- Many tables at once: accuracies (..., k), everything else by broadcasting. ---------------------------------------


def sampling_variance(p: Array, n: Array) -> Array:
    """Variance of each accuracy (..., k) around its country's true one: q (1 - q) / n_i, q the accuracy over all
    images.

    With the country's own p_i in place of q, one without a wrong answer would have no variance, and all the weight.
    """
    p, n = checks.numbers(p, "p", low=0, high=1, axes=None), checks.counts(n, "n", low=1, axes=None)
    q = (p * n).sum(-1, keepdims=True) / n.sum(-1, keepdims=True)
    return q * (1 - q) / n


def _line(g: Array, p: Array, w: Array) -> tuple[Array, ...]:
    """Weighted least squares: slope, intercept (...), residuals, g about its mean (..., k), and the sum of its
    squares."""
    total = w.sum(-1, keepdims=True)
    centre = (w * g).sum(-1, keepdims=True) / total
    about = g - centre
    squares = (w * about**2).sum(-1)
    beta = (w * about * p).sum(-1) / squares
    start = ((w * p).sum(-1) / total[..., 0]) - beta * centre[..., 0]
    return beta, start, p - start[..., None] - beta[..., None] * g, about, squares


def _t(g: Array, p: Array, n: Array, method: str) -> Array:
    """The t of the slope (...,), by any of `METHODS`."""
    if method == "meta":
        return _knapp_hartung(g, p, sampling_variance(p, n))[2]
    w = _weights(method, n)
    beta, _, rest, about, squares = _line(g, p, w)
    if method == "hc3":
        leverage = w * (1 / w.sum(-1, keepdims=True) + about**2 / squares[..., None])
        se = np.sqrt(((w * about * rest / (1 - leverage)) ** 2).sum(-1)) / squares
    else:
        se = np.sqrt((w * rest**2).sum(-1) / (p.shape[-1] - 2) / squares)
    return beta / se


def _knapp_hartung(g: Array, y: Array, v: Array) -> tuple[Array, ...]:
    """Slope, its error, t, intercept and tau^2 (...) of the random-effects meta-regression of y (..., k) on g."""
    tau2 = _reml(g, y, v)
    w = 1 / (v + tau2[..., None])
    beta, start, rest, _, squares = _line(g, y, w)
    se = np.sqrt((w * rest**2).sum(-1) / (y.shape[-1] - 2) / squares)
    return beta, se, beta / se, start, tau2


def _reml(g: Array, y: Array, v: Array, *, steps: int = 200, tolerance: float = 1e-12) -> Array:
    """The variance between countries by restricted maximum likelihood: Fisher scoring, not below zero.

    With P = W - W X (X'WX)^-1 X'W the step is (y'PPy - tr P) / tr PP; here Py = w * residual, and the traces are
    written out for the two columns of X, a constant and g about its weighted mean, which make X'WX diagonal. Where the
    likelihood is more curved than expected the steps would jump to and fro over its maximum for ever: a table whose
    step turns back takes half as long ones from then on.
    """
    y, v = np.broadcast_arrays(y, v)
    tau2 = np.maximum(0.0, y.var(-1, ddof=1) - v.mean(-1))
    length, before = np.ones_like(tau2), np.zeros_like(tau2)
    for _ in range(steps):
        w = 1 / (v + tau2[..., None])
        _, _, rest, about, squares = _line(g, y, w)
        total = w.sum(-1)

        def moments(power: int, w: Array = w, about: Array = about) -> tuple[Array, ...]:
            raised = w**power
            return raised.sum(-1), (raised * about).sum(-1), (raised * about**2).sum(-1)

        (s2, c2, q2), (s3, _, q3) = moments(2), moments(3)
        trace = total - s2 / total - q2 / squares
        trace2 = s2 - 2 * (s3 / total + q3 / squares) + (s2 / total) ** 2 + (q2 / squares) ** 2
        trace2 = trace2 + 2 * c2**2 / (total * squares)
        step = ((w**2 * rest**2).sum(-1) - trace) / trace2
        length = np.where(step * before < 0, length / 2, length)
        moved, before = np.maximum(0.0, tau2 + length * step), step
        if (np.abs(moved - tau2) <= tolerance * (v.mean(-1) + tau2)).all():
            return moved
        tau2 = moved
    return tau2


def meta_regression(g: ArrayLike, y: ArrayLike, v: ArrayLike) -> Slope:
    """Random-effects meta-regression of y (k,), with sampling variances v (k,), on g (k,): REML, and the error and t
    distribution of Knapp and Hartung (2003). Raises ValueError for shapes that differ or variances that are not
    positive."""
    g, y, v = (checks.numbers(a, name) for a, name in ((g, "g"), (y, "y"), (v, "v")))
    if not g.shape == y.shape == v.shape or g.ndim != 1 or len(g) < 3 or not (v > 0).all():
        raise ValueError(f"shapes {g.shape}, {y.shape}, {v.shape}: expected three of each or more, and variances v > 0")
    beta, se, t, start, tau2 = (float(a) for a in _knapp_hartung(g, y, v))
    df = len(g) - 2
    half = float(stats.t.ppf(1 - LEVEL / 2, df)) * se
    return Slope("meta", beta, beta - half, beta + half, start, se, t, df, float(2 * stats.t.sf(abs(t), df)), tau2)


def rejects(g: ArrayLike, p: ArrayLike, n: ArrayLike, method: str = "gls") -> NDArray[np.bool_]:
    """Whether the test of slope zero rejects at the level 0.05, in many worlds at once.

    g (k,), p (R, k), n (k,) or (R, k) -> (R,) bool. A world in which every country has the same accuracy is not
    rejected.
    """
    checks.one_of(method, METHODS, "method")
    g, p = checks.numbers(g, "g", least=3), checks.numbers(p, "p", low=0, high=1, axes=2, least=0)
    n = checks.counts(n, "n", low=1, axes=None, least=0)
    if p.shape[1] != len(g) or n.shape not in (g.shape, p.shape):
        raise ValueError(f"g has shape {g.shape}, p {p.shape}, n {n.shape}; expected (k,), (R, k), and (k,) or (R, k)")
    if np.ptp(g) == 0:
        raise ValueError("g is the same everywhere, expected countries of different GDP per head")
    varied = np.ptp(p, axis=-1) > 0
    found = np.zeros(p.shape[:-1], dtype=bool)
    found[varied] = np.abs(_t(g, p[varied], np.broadcast_to(n, p.shape)[varied], method)) > stats.t.ppf(
        1 - LEVEL / 2, p.shape[-1] - 2
    )
    return found


# --- Power. -----------------------------------------------------------------------------------------------------------


def simulate(
    g: ArrayLike, n: ArrayLike, *, beta: float, accuracy: float, tau: float = 0.0, worlds: int, rng: np.random.Generator
) -> Array:
    """Accuracies (worlds, k) of countries with n (k,) images each, whose true ones lie around a line in g (k,).

    The line has the slope `beta` and is `accuracy` at the image-weighted mean of g; the countries lie around it with
    standard deviation `tau`. True accuracies are cut to [0, 1]; the images are independent.
    """
    g, n = checks.numbers(g, "g"), checks.counts(n, "n", low=1)
    if g.shape != n.shape:
        raise ValueError(f"g has shape {g.shape} and n {n.shape}, expected one of each per country")
    checks.finite(beta, "beta")
    checks.unit(accuracy, "accuracy")
    if checks.finite(tau, "tau") < 0:
        raise ValueError(f"tau is {tau!r}, expected 0 or more: it is a standard deviation")
    checks.whole(worlds, "worlds")
    checks.instance(rng, np.random.Generator, "rng", "get one with np.random.default_rng(seed)")
    line = accuracy + beta * (g - np.average(g, weights=n))
    true = np.clip(line + tau * rng.standard_normal((worlds, len(g))), 0, 1)
    return rng.binomial(n.astype(int), true) / n


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
    """How often a test finds a slope of a given size among countries with the table's n_i and GDPs, by simulation.

    `accuracy`: mean true accuracy, by default the table's over all images; `tau`: as in `simulate`. Returns a row per
    slope and method: `slope`, `method`, `rejected`, `worlds`, `share` and its Wilson 95 % interval `low`, `high`. At
    slope zero the share is the test's size. The same seed draws the same worlds for every method. Of the table only n
    and log_gdp are used (and accuracy, where the argument is None).
    """
    g, n = design(table)
    slopes = checks.numbers(slopes, "slopes")
    checks.several(methods, "methods")
    methods = [checks.one_of(method, METHODS, "a method") for method in methods]
    checks.whole(seed, "seed", 0)
    if accuracy is None:
        checks.columns(table, ("accuracy",), "the country table", MADE)
        accuracy = float(np.average(checks.numbers(table["accuracy"], "accuracy", low=0, high=1), weights=n))
    rows = []
    for beta in slopes:
        rng = np.random.default_rng(seed)
        p = simulate(g, n, beta=beta, accuracy=accuracy, tau=tau, worlds=worlds, rng=rng)
        rows += [(float(beta), method, int(rejects(g, p, n, method).sum())) for method in methods]
    found = pd.DataFrame(rows, columns=["slope", "method", "rejected"]).assign(worlds=worlds)
    low, high = proportion_confint(found["rejected"], worlds, method="wilson")
    return found.assign(share=found["rejected"] / worlds, low=low, high=high)


def detectable(curve: pd.DataFrame, power: float = 0.8) -> float:
    """The smallest slope of a power curve (`slope` from 0 upwards and `share`, one method) that is found in a share
    `power` of worlds, interpolated linearly; NaN where the curve does not get there."""
    checks.columns(curve, ("slope", "share"), "the power curve", "make it with fairlib.fairness.power")
    checks.unit(power, "power")
    checks.numbers(curve["slope"], "slope", low=0)
    checks.numbers(curve["share"], "share", low=0, high=1)
    found = curve.sort_values("slope")
    if not found["slope"].is_unique:
        raise ValueError("the power curve has a slope twice, expected each once; take the rows of one method")
    share, slopes = np.maximum.accumulate(found["share"].to_numpy()), found["slope"].to_numpy()
    if share[-1] < power:
        return float("nan")
    i = int(np.argmax(share >= power))
    return float(slopes[0] if i == 0 else np.interp(power, share[i - 1 : i + 1], slopes[i - 1 : i + 1]))


# --- Collections of models. -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Mean slope of `theirs` minus that of `ours`, with its 95 % interval, and the one-sided t-test that ours is
    smaller.

    g: the difference in standard deviations, of the models of an arm (pooled) or, `paired`, of the differences (Hedges'
    correction for small samples).
    """

    test: str
    difference: float
    low: float
    high: float
    t: float
    df: float
    p: float
    g: float


def compare(theirs: ArrayLike, ours: ArrayLike, test: str = "pooled") -> Comparison:
    """The paper's comparison of two collections of slopes (section 4.3): H0 ours >= theirs, H1 ours < theirs.

    theirs (m,), ours (m',). `pooled`: two samples, equal variances; `welch`: two samples; `paired`: the differences of
    models that belong together, in order. Raises ValueError for fewer than two models, slopes that are not finite,
    pairs of different number, or slopes without any spread.
    """
    checks.one_of(test, TESTS, "test")
    a, b = (checks.numbers(x, name, least=2) for x, name in ((theirs, "theirs"), (ours, "ours")))
    if test == "paired":
        if len(a) != len(b):
            raise ValueError(f"{len(a)} against {len(b)} slopes, expected as many in both: the paired test needs pairs")
        spread, lone = (a - b).std(ddof=1), len(a) - 1
    else:
        lone = len(a) + len(b) - 2
        spread = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / lone)
    if not spread > 0:
        raise ValueError("the slopes have no spread, so there is no error to test their difference with")
    found = stats.ttest_rel(a, b) if test == "paired" else stats.ttest_ind(a, b, equal_var=test == "pooled")
    difference, (low, high) = a.mean() - b.mean(), found.confidence_interval(1 - LEVEL)
    p, effect = stats.t.sf(found.statistic, found.df), difference / spread * (1 - 3 / (4 * lone - 1))
    return Comparison(test, *map(float, (difference, low, high, found.statistic, found.df, p, effect)))


def compare_over_sets(theirs: Sequence[ArrayLike], ours: Sequence[ArrayLike], test: str = "welch") -> Comparison:
    """The same comparison with every adversarial data set counted once: the mean slope of its models stands for it.

    theirs, ours: the slopes of each D_rob's models. Models trained on one D_rob share its luck; only another D_rob is a
    new draw of the attack.
    """
    for arm, name in ((theirs, "theirs"), (ours, "ours")):
        checks.several(arm, name)
        for models in arm:
            checks.numbers(models, f"a data set of {name}")
    return compare(*([float(np.mean(models)) for models in arm] for arm in (theirs, ours)), test)


def shared_luck(groups: Sequence[ArrayLike]) -> float:
    """The share of the variance of slopes that models of one D_rob have in common: the intraclass correlation ICC(1,
    1).

    groups: equally many slopes from each of two data sets or more. Zero where models of one data set are no more alike
    than models of two; it can come out a little below zero. With m models per set, m slopes are worth m / (1 + (m - 1)
    ICC) independent ones.
    """
    ratio, _, m = _variance_ratio(groups)
    return _icc(ratio, m)


def shared_luck_interval(groups: Sequence[ArrayLike]) -> tuple[float, float]:
    """The 95 % interval of `shared_luck`, from the F distribution (Shrout and Fleiss 1979): exact where the means
    of data sets, and the models about them, are normal."""
    ratio, sets, m = _variance_ratio(groups)
    df = (sets - 1, sets * (m - 1))
    low, high = (_icc(ratio / stats.f.ppf(q, *df), m) for q in (1 - LEVEL / 2, LEVEL / 2))
    return low, high


def _variance_ratio(groups: Sequence[ArrayLike]) -> tuple[float, int, int]:
    """Mean square between the groups over that within them, the number of groups, and of slopes in each."""
    a = checks.numbers(groups, "groups", axes=None)
    if a.ndim != 2 or min(a.shape) < 2:
        raise ValueError(f"groups has shape {a.shape}, expected two sets or more, of equally many models, two or more")
    within = a.var(axis=1, ddof=1).mean()
    if not within > 0:
        raise ValueError("the models of each data set have equal slopes, expected some spread among them")
    return float(a.shape[1] * a.mean(1).var(ddof=1) / within), *a.shape


def _icc(ratio: float, m: int) -> float:
    return (ratio - 1) / (ratio + m - 1)


def size_within_sets(icc: float, models: int) -> float:
    """How often the pooled one-sided t-test of `models` against as many rejects, at the level 0.05, when only the luck
    of two D_rob differs.

    The test takes 2 s_w^2 / m for the variance of the difference, which is 2 (s_b^2 + s_w^2 / m): its t is too large by
    the square root of 1 + m icc / (1 - icc). `icc`: `shared_luck`, below zero read as zero; normal slopes.
    """
    if checks.finite(icc, "icc") > 1:
        raise ValueError(f"icc is {icc!r}, expected 1 or less: it is a share of a variance")
    checks.whole(models, "models", 2)
    icc = min(max(icc, 0.0), 1 - 1e-9)
    df = 2 * models - 2
    return float(stats.t.sf(stats.t.ppf(1 - LEVEL, df) / np.sqrt(1 + models * icc / (1 - icc)), df))
