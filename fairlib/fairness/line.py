"""A line of accuracy on log GDP: what a fit of it says, and weighted least squares for many tables at once."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fairlib.fairness.table import Array


@dataclass(frozen=True)
class Slope:
    """A slope of accuracy on log GDP, and the two-sided test that it is zero.

    Attributes
    ----------
    method : str
        The test, one of `METHODS`.
    slope : float
        Accuracy gained per unit of log GDP, the paper's beta.
    low, high : float
        Its 95 % interval.
    intercept : float
        The line at log GDP 0, beta_c.
    standard_error : float
        Of the slope.
    t : float
        Slope over standard error; with Student's distribution where the slope is zero.
    degrees_of_freedom : int
        Of t: the number of countries less two.
    p_value : float
        Two-sided.
    tau2 : float
        Variance between countries beyond the sampling of images, as `meta` estimates it; NaN with the other methods.
    """

    method: str
    slope: float
    low: float
    high: float
    intercept: float
    standard_error: float
    t: float
    degrees_of_freedom: int
    p_value: float
    tau2: float = np.nan

    @property
    def F(self) -> float:
        """The paper's F = t^2, with 1 and `degrees_of_freedom` degrees of freedom."""
        return self.t**2


class Line(NamedTuple):
    """A fitted line for each of many tables: (...,) numbers, and (..., k) arrays over the countries."""

    slope: Array
    intercept: Array
    residuals: Array  # (..., k)
    centred: Array  # (..., k): x about its weighted mean
    squares: Array  # weighted sum of the squares of `centred`


def weighted_line(x: Array, y: Array, weights: Array) -> Line:
    """Fit lines by weighted least squares.

    Parameters
    ----------
    x, y, weights : (..., k) float64
        Broadcast against each other: k countries, and as many tables as the other axes have room for.

    Returns
    -------
    Line
        The minimiser of sum_i w_i (y_i - intercept - slope x_i)^2, and what its errors are made of.
    """
    total = weights.sum(-1, keepdims=True)
    mean = (weights * x).sum(-1, keepdims=True) / total
    centred = x - mean
    squares = (weights * centred**2).sum(-1)
    slope = (weights * centred * y).sum(-1) / squares
    intercept = ((weights * y).sum(-1) / total[..., 0]) - slope * mean[..., 0]
    residuals = y - intercept[..., None] - slope[..., None] * x
    return Line(slope=slope, intercept=intercept, residuals=residuals, centred=centred, squares=squares)


def standard_error(line: Line, weights: Array) -> Array:
    """Return the standard error (...,) of each slope where the variances go like 1 / weights.

    It is the root of sum_i w_i r_i^2 / (k - 2) over sum_i w_i (x_i - mean)^2, r the residuals.
    """
    k = line.residuals.shape[-1]
    return np.sqrt((weights * line.residuals**2).sum(-1) / (k - 2) / line.squares)


def hc3_standard_error(line: Line, weights: Array) -> Array:
    """Return the standard error (...,) of each slope whatever the variances are (MacKinnon and White 1985).

    Each residual stands for its own error, made larger by its leverage h_i: the root of
    sum_i (w_i (x_i - mean) r_i / (1 - h_i))^2, over sum_i w_i (x_i - mean)^2.
    """
    leverage = weights * (1 / weights.sum(-1, keepdims=True) + line.centred**2 / line.squares[..., None])
    return np.sqrt(((weights * line.centred * line.residuals / (1 - leverage)) ** 2).sum(-1)) / line.squares
