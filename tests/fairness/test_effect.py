"""The line's band, effect sizes and influence against textbooks and the line itself."""

import numpy as np
import pandas as pd
import pytest
from country_tables import TABLE
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from fairlib import fairness


def test_the_band_is_the_textbooks():
    w = np.sqrt(TABLE["n"])
    mean = np.average(TABLE["log_gdp"], weights=w)
    squares = (w * (TABLE["log_gdp"] - mean) ** 2).sum()
    fit, at = fairness.regression(TABLE), np.array([7.0, mean, 11.0])
    half = stats.t.ppf(0.975, 39) * np.sqrt(fit.scale * (1 / w.sum() + (at - mean) ** 2 / squares))
    found = fairness.band(TABLE, at)
    assert found["accuracy"].tolist() == pytest.approx(list(fit.params[0] + fit.params[1] * at))
    assert (found["high"] - found["accuracy"]).tolist() == pytest.approx(list(half))
    assert (found["accuracy"] - found["low"]).tolist() == pytest.approx(list(half))


def test_effect_sizes():
    found, fit = fairness.effect_sizes(TABLE), fairness.slope(TABLE)
    assert found["doubling"] == pytest.approx(fit.slope * np.log(2))
    ends = fairness.band(TABLE, [TABLE["log_gdp"].min(), TABLE["log_gdp"].max()])["accuracy"]
    assert found["gap"] == pytest.approx(ends[1] - ends[0])
    correlation = DescrStatsW(TABLE[["log_gdp", "accuracy"]], weights=np.sqrt(TABLE["n"])).corrcoef[0, 1]
    assert (found["r"], found["r2"]) == pytest.approx((correlation, correlation**2))


def test_influence_is_the_difference_that_a_country_makes():
    found = fairness.influence(TABLE)
    key = found.index[0]
    without = fairness.slope(TABLE.drop(key))
    assert tuple(found.loc[key]) == pytest.approx(
        (without.slope, without.p_value, fairness.slope(TABLE).slope - without.slope)
    )
    assert sorted(found.index) == sorted(TABLE.index)
    assert found["change"].abs().is_monotonic_decreasing
    with pytest.raises(ValueError, match="3 countries, expected at least 4"):
        fairness.influence(TABLE.head(3))


def test_a_country_without_which_nothing_is_left_is_marked():
    table = pd.DataFrame({"n": 9, "accuracy": [0.5, 0.5, 0.5, 0.9], "log_gdp": [7.0, 8.0, 9.0, 10.0]}, list("abcd"))
    assert np.isnan(fairness.influence(table).loc["d", "slope"])
