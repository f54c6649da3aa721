"""The slope of a country's accuracy on its log GDP per head, and the tests that it is zero.

Second paper, section 4.1: generalized least squares and its F-test (`regression`), the same with other weights or
errors (`slope`), and a test that assumes no distribution (`permutation`).
"""

import math

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import GLS, RegressionResults
from statsmodels.stats.proportion import proportion_confint
from statsmodels.tools.tools import add_constant

from fairlib import checks
from fairlib.fairness.line import Slope, hc3_standard_error, standard_error, weighted_line
from fairlib.fairness.meta import meta_regression, random_effects, sampling_variance
from fairlib.fairness.table import Array, observations

# What each test takes the weights of the countries to be, one over their variances, as a function of n.
WEIGHTS = {"gls": np.sqrt, "wls": np.asarray, "ols": np.ones_like, "hc3": np.sqrt}
METHODS = (*WEIGHTS, "meta")


def regression(table: pd.DataFrame) -> RegressionResults:
    """Fit the paper's generalized least squares of accuracy on log GDP.

    Parameters
    ----------
    table : DataFrame
        A country table.

    Returns
    -------
    RegressionResults
        Of statsmodels: `params` (intercept, slope), `fvalue` and `f_pvalue` of the F-test that the slope is zero.

    Raises
    ------
    ValueError
        When the table has no slope (`fairlib.fairness.observations`).

    Notes
    -----
    p_i = beta_c + beta g_i + epsilon_i, Cov(epsilon) = sigma^2 Sigma with Sigma_ii = 1 / sqrt(n_i): minimises
    sum_i sqrt(n_i) (p_i - beta_c - beta g_i)^2. F = (beta / error)^2 has 1 and k - 2 degrees of freedom.

    The printed model has no intercept beta_c; F with (1, 39) degrees of freedom, from 41 countries, implies one.

    References
    ----------
    Hua, Xu, Blanchet and Nguyen (2021), sections 4.1 and 4.3.
    """
    log_gdp, accuracy, n = observations(table)
    return GLS(accuracy, add_constant(log_gdp), sigma=1 / np.sqrt(n)).fit()


def slope(table: pd.DataFrame, method: str = "gls") -> Slope:
    """Estimate the slope of accuracy on log GDP, and test that it is zero, in one of five ways.

    Parameters
    ----------
    table : DataFrame
        A country table.
    method : {'gls', 'wls', 'ols', 'hc3', 'meta'}
        What is assumed of the countries' errors; see Notes.

    Returns
    -------
    Slope
        The slope with its 95 % interval and its test.

    Raises
    ------
    ValueError
        When the method is unknown, or the table has no slope (`fairlib.fairness.observations`).

    Notes
    -----
    `gls`: the paper's regression and F-test, variances like 1 / sqrt(n_i) (`regression`).

    `wls`: variances like 1 / n_i, as those of a share of n_i images are.

    `ols`: equal variances.

    `hc3`: the paper's line, its error estimated from residuals of unequal variance.

    `meta`: random-effects meta-regression with the sampling variances of the accuracies (`meta_regression`).

    References
    ----------
    Hua, Xu, Blanchet and Nguyen (2021), section 4.1. `hc3`: MacKinnon and White (1985).
    """
    log_gdp, accuracy, n = observations(table)
    if checks.one_of(method, METHODS, "method") == "meta":
        return meta_regression(log_gdp, accuracy, sampling_variance(accuracy, n))
    model = GLS(accuracy, add_constant(log_gdp), sigma=1 / WEIGHTS[method](n))
    fit = model.fit(cov_type="HC3", use_t=True) if method == "hc3" else model.fit()
    low, high = fit.conf_int()[1]
    return Slope(
        method=method,
        slope=float(fit.params[1]),
        low=float(low),
        high=float(high),
        intercept=float(fit.params[0]),
        standard_error=float(fit.bse[1]),
        t=float(fit.tvalues[1]),
        degrees_of_freedom=int(fit.df_resid),
        p_value=float(fit.pvalues[1]),
    )


def t_statistics(log_gdp: Array, accuracy: Array, n: Array, method: str) -> Array:
    """Return the t of the slope in many tables at once, which `slope` gives one by one.

    Parameters
    ----------
    log_gdp, accuracy, n : (..., k) float64
        Broadcast against each other; not checked.
    method : str
        One of `METHODS`.

    Returns
    -------
    (...,) float64
        Slope over standard error, with k - 2 degrees of freedom.
    """
    if method == "meta":
        return random_effects(log_gdp, accuracy, sampling_variance(accuracy, n)).t
    weights = WEIGHTS[method](n)
    line = weighted_line(log_gdp, accuracy, weights)
    error = hc3_standard_error(line, weights) if method == "hc3" else standard_error(line, weights)
    return line.slope / error


def permutation(table: pd.DataFrame, *, permutations: int = 9_999, seed: int = 0) -> tuple[float, float, float]:
    """Test the paper's slope by dealing the GDPs out to the countries anew.

    Parameters
    ----------
    table : DataFrame
        A country table.
    permutations : int >= 1
        Orders to try; all of them where there are no more.
    seed : int >= 0
        Draws the orders.

    Returns
    -------
    p_value, low, high : float
        Two-sided p, and its Monte-Carlo 95 % interval.

    Raises
    ------
    ValueError
        When the table has no slope (`fairlib.fairness.observations`), or a number is none.

    Notes
    -----
    Each country keeps its accuracy and its n_i; the statistic is |t| of `regression`. Where all orders are tried, the
    interval is the number itself. Otherwise p counts the table's own order among those tried, so that it is never zero,
    and the interval is Wilson's for the drawn ones alone.
    """
    log_gdp, accuracy, n = observations(table)
    checks.whole(permutations, "permutations")
    checks.whole(seed, "seed", 0)

    def statistic(shuffled: Array, axis: int = -1) -> Array:
        return np.abs(t_statistics(shuffled, accuracy, n, "gls"))

    result = stats.permutation_test(
        (log_gdp,), statistic, permutation_type="pairings", n_resamples=permutations, alternative="greater",
        rng=np.random.default_rng(seed), vectorized=True, batch=1_000,
    )  # fmt: skip
    p_value = float(result.pvalue)
    if math.factorial(len(log_gdp)) <= permutations:
        return p_value, p_value, p_value
    as_large = round(result.pvalue * (permutations + 1)) - 1
    low, high = proportion_confint(as_large, permutations, method="wilson")
    return p_value, low, high
