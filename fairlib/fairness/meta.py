"""Random-effects meta-regression: countries differ by more than the sampling of their images."""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from fairlib import checks
from fairlib.fairness.line import Slope, standard_error, weighted_line
from fairlib.fairness.table import LEVEL, Array

ITERATIONS = 200  # of Fisher scoring, at most
TOLERANCE = 1e-12  # relative change of the whole variance, v_i + tau^2, at which it ends
GOOD_ENOUGH = 1e-6  # what still changes by more than this after the last step is unsettled
UNSETTLED_SHARE = 0.01  # of the tables may be, without a warning: one world of thousands moves no power


def meta_regression(covariate: ArrayLike, estimates: ArrayLike, variances: ArrayLike) -> Slope:
    """Fit a line to estimates that scatter by more than their own errors, and test its slope.

    Parameters
    ----------
    covariate : (k,) numbers
        x_i, here the log GDP of each country.
    estimates : (k,) numbers
        y_i, here the accuracy of each country.
    variances : (k,) numbers > 0
        v_i, the sampling variance of each estimate.

    Returns
    -------
    Slope
        With the method `meta`, and `tau2`.

    Raises
    ------
    ValueError
        When the shapes differ, there are fewer than three, or a variance is not positive.

    Warns
    -----
    ConvergenceWarning
        When tau^2 still changes by more than 1e-6 of the whole variance after 200 steps; the last value is taken.

    Notes
    -----
    y_i = intercept + slope x_i + u_i + e_i, with Var(u_i) = tau^2 and Var(e_i) = v_i. tau^2 maximises the restricted
    likelihood (REML), not below zero; the line is weighted by 1 / (v_i + tau^2); its error is estimated from the
    residuals, and t has k - 2 degrees of freedom (Knapp and Hartung).

    References
    ----------
    Knapp and Hartung, Improved tests for a random effects meta-regression with a single covariate, 2003.
    """
    covariate, estimates = checks.numbers(covariate, "covariate"), checks.numbers(estimates, "estimates")
    variances = checks.numbers(variances, "variances")
    shapes = covariate.shape, estimates.shape, variances.shape
    if len(set(shapes)) > 1 or len(covariate) < 3 or not (variances > 0).all():
        raise ValueError(f"shapes {shapes}: expected three of each or more, and variances above 0")
    fit = random_effects(covariate, estimates, variances)
    degrees_of_freedom = len(covariate) - 2
    slope, error, t = float(fit.slope), float(fit.standard_error), float(fit.t)
    half = float(stats.t.ppf(1 - LEVEL / 2, degrees_of_freedom)) * error
    return Slope(
        method="meta",
        slope=slope,
        low=slope - half,
        high=slope + half,
        intercept=float(fit.intercept),
        standard_error=error,
        t=t,
        degrees_of_freedom=degrees_of_freedom,
        p_value=float(2 * stats.t.sf(abs(t), degrees_of_freedom)),
        tau2=float(fit.tau2),
    )


def sampling_variance(accuracy: ArrayLike, n: ArrayLike) -> Array:
    """Return the variance of each country's accuracy around its true one.

    Parameters
    ----------
    accuracy : (..., k) numbers in [0, 1]
        p_i of k countries, in as many tables as the other axes have room for.
    n : (..., k) whole numbers >= 1
        Images of each country.

    Returns
    -------
    (..., k) float64
        q (1 - q) / n_i, q the accuracy over all images of the table.

    Raises
    ------
    ValueError
        When there is no accuracy, or no number of images, among them.

    Notes
    -----
    With the country's own p_i in place of q, one without a wrong answer would have no variance, and all the weight.
    """
    accuracy = checks.numbers(accuracy, "accuracy", low=0, high=1, axes=None)
    n = checks.counts(n, "n", low=1, axes=None)
    q = (accuracy * n).sum(-1, keepdims=True) / n.sum(-1, keepdims=True)
    return q * (1 - q) / n


class RandomEffects(NamedTuple):
    """A meta-regression for each of many tables, (...,) each."""

    slope: Array
    intercept: Array
    standard_error: Array
    t: Array
    tau2: Array


def random_effects(x: Array, y: Array, variances: Array) -> RandomEffects:
    """Fit the meta-regression of `meta_regression` to many tables at once: (..., k) each, broadcast."""
    tau2 = _reml(x, y, variances)
    weights = 1 / (variances + tau2[..., None])
    line = weighted_line(x, y, weights)
    error = standard_error(line, weights)
    return RandomEffects(
        slope=line.slope, intercept=line.intercept, standard_error=error, t=line.slope / error, tau2=tau2
    )


def _reml(x: Array, y: Array, variances: Array) -> Array:
    """The variance tau^2 (...,) between countries that maximises the restricted likelihood, by Fisher scoring.

    With P = W - W X (X'WX)^-1 X'W the step is (y'PPy - tr P) / tr PP. Here Py = w * residuals, and the traces are
    written out for the two columns of X, a constant and x about its weighted mean, which make X'WX diagonal. Where the
    likelihood is more curved than expected the steps would jump to and fro over its maximum for ever: a table whose
    step turns back takes half as long ones from then on.
    """
    y, variances = np.broadcast_arrays(y, variances)
    sampling = variances.mean(-1)
    tau2 = np.maximum(0.0, y.var(-1, ddof=1) - sampling)
    length, last_step = np.ones_like(tau2), np.zeros_like(tau2)
    for _ in range(ITERATIONS):
        weights = 1 / (variances + tau2[..., None])
        line = weighted_line(x, y, weights)
        step = _fisher_step(weights, line.centred, line.squares, line.residuals)
        length = np.where(step * last_step < 0, length / 2, length)
        before, last_step = tau2, step
        tau2 = np.maximum(0.0, before + length * step)
        change = np.abs(tau2 - before)
        if (change <= TOLERANCE * (sampling + before)).all():
            return tau2
    unsettled = int((change > GOOD_ENOUGH * (sampling + before)).sum())
    if unsettled > UNSETTLED_SHARE * change.size:
        warnings.warn(
            f"REML: tau^2 still changes after {ITERATIONS} steps in {unsettled} of {change.size} tables; the last "
            "value is taken, so do not rely on their slopes and tests",
            ConvergenceWarning,
            stacklevel=4,
        )
    return tau2


def _fisher_step(weights: Array, centred: Array, squares: Array, residuals: Array) -> Array:
    """(y'PPy - tr P) / tr PP, (...,)."""
    weights2, weights3 = weights**2, weights**3
    total, total2, total3 = weights.sum(-1), weights2.sum(-1), weights3.sum(-1)
    first2 = (weights2 * centred).sum(-1)
    second2, second3 = (weights2 * centred**2).sum(-1), (weights3 * centred**2).sum(-1)
    trace = total - total2 / total - second2 / squares
    trace2 = total2 - 2 * (total3 / total + second3 / squares) + (total2 / total) ** 2 + (second2 / squares) ** 2
    trace2 = trace2 + 2 * first2**2 / (total * squares)
    return ((weights2 * residuals**2).sum(-1) - trace) / trace2
