"""What a number over countries rests on: the countries and the adversarial data sets, both drawn anew."""

from collections.abc import Callable, Sequence

import numpy as np

from fairlib.book.experiments.shared.intervals import interval

DRAWS = 4_999

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def country_draws(statistic: Statistic, countries: int, arms: Sequence[np.ndarray], *, seed: int = 0) -> np.ndarray:
    """A statistic of each arm, as it is and in draws of countries and data sets: (1 + draws, arms).

    arms: of each the accuracy (sets, k) of its data sets in each of k countries. A draw takes as many countries as
    there are, with replacement and the same ones for all arms, and of each arm as many data sets. The statistic gets
    the countries of each draw and the accuracy there, both (1 + draws, k), and gives (1 + draws,).
    """
    rng = np.random.default_rng(seed)
    where = np.vstack([np.arange(countries), rng.integers(countries, size=(DRAWS, countries))])
    found = []
    for accuracy in arms:
        sets = np.vstack([np.arange(len(accuracy)), rng.integers(len(accuracy), size=(DRAWS, len(accuracy)))])
        means = accuracy[sets].mean(1)  # (1 + draws, k)
        found.append(statistic(where, np.take_along_axis(means, where, axis=1)))
    return np.stack(found, axis=1)


def slope_of(log_gdp: np.ndarray, n: np.ndarray) -> Statistic:
    """The paper's least squares of accuracy on log GDP, weights sqrt(n), for `country_draws`."""

    def slope(where: np.ndarray, mean: np.ndarray) -> np.ndarray:
        weights, x = np.sqrt(n)[where], log_gdp[where]
        centred = x - (weights * x).sum(1, keepdims=True) / weights.sum(1, keepdims=True)
        return (weights * centred * mean).sum(1) / (weights * centred**2).sum(1)

    return slope


def accuracy_of(n: np.ndarray) -> Statistic:
    """The accuracy over all images of the countries, for `country_draws`."""
    return lambda where, mean: (n[where] * mean).sum(1) / n[where].sum(1)


def percentiles(draws: np.ndarray) -> dict[str, float]:
    """The first of the draws (1 + draws,), with the 2.5 % and 97.5 % quantiles of the others."""
    value, (low, high) = draws[0], np.quantile(draws[1:], [0.025, 0.975])
    return interval(value, min(low, value), max(high, value))
