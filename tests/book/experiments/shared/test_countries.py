"""Countries and data sets drawn anew: the plain statistic, and intervals that other libraries give."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import WLS
from statsmodels.tools.tools import add_constant

from fairlib.book.experiments import shared


def made(sets: int, between: float, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_gdp, n = rng.normal(9, 1, 41), rng.integers(20, 400, 41)
    luck = between * rng.standard_normal((sets, 1))
    return log_gdp, n, 0.8 + (0.02 + luck) * (log_gdp - 9) + noise * rng.standard_normal(41)


def test_the_first_row_is_the_statistic_itself():
    log_gdp, n, accuracy = made(3, 0.01, 0.05)
    draws = shared.country_draws(shared.slope_of(log_gdp, n), 41, [accuracy, accuracy[:1]])
    for column, own in zip(draws[0], (accuracy, accuracy[:1]), strict=True):
        fit = WLS(own.mean(0), add_constant(log_gdp), weights=np.sqrt(n)).fit()
        assert column == pytest.approx(fit.params[1])
    whole = shared.country_draws(shared.accuracy_of(n), 41, [accuracy])
    assert whole[0, 0] == pytest.approx(np.average(accuracy.mean(0), weights=n))


def test_countries_make_the_interval_where_data_sets_are_alike():
    """As wide as that of the residuals, as the pairs bootstrap is."""
    log_gdp, _, accuracy = made(4, 0.0, 0.05)
    found = shared.percentiles(shared.country_draws(shared.slope_of(log_gdp, np.full(41, 50)), 41, [accuracy])[:, 0])
    fit = WLS(accuracy[0], add_constant(log_gdp)).fit(cov_type="HC3")
    low, high = fit.conf_int()[1]
    assert found["low"] < found["value"] < found["high"]
    assert (found["high"] - found["low"]) == pytest.approx(high - low, rel=0.2)


def test_data_sets_make_the_interval_where_countries_lie_on_the_line():
    log_gdp, n, accuracy = made(8, 0.01, 0.0)
    slopes = (accuracy[:, 1] - accuracy[:, 0]) / (log_gdp[1] - log_gdp[0])
    found = shared.percentiles(shared.country_draws(shared.slope_of(log_gdp, n), 41, [accuracy])[:, 0])
    assert found["value"] == pytest.approx(slopes.mean())
    spread = 2 * 1.96 * slopes.std() / 8**0.5
    assert (found["high"] - found["low"]) == pytest.approx(spread, rel=0.1)


def test_arms_share_the_countries_of_a_draw():
    """Of two arms that differ by one number everywhere the difference is that number in every draw."""
    _, n, accuracy = made(1, 0.0, 0.05)
    draws = shared.country_draws(shared.accuracy_of(n), 41, [accuracy, accuracy - 0.1])
    assert np.ptp(draws[:, 0] - draws[:, 1]) < 1e-12 and np.ptp(draws[:, 0]) > 0.01
