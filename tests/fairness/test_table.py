"""Country tables against counts by hand and statsmodels' intervals, and what is no table."""

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from fairlib import fairness


def test_the_table_counts_images():
    log_gdp = pd.Series({"B": 9.0, "A": 8.0, "C": 7.0})
    table = fairness.country_table(["A", "B", "A", "A"], [True, False, False, True], log_gdp)
    assert list(table.index) == ["B", "A"]
    assert table[["n", "right", "log_gdp"]].to_dict("list") == {"n": [1, 3], "right": [0, 2], "log_gdp": [9.0, 8.0]}
    low, high = proportion_confint(2, 3, method="wilson")
    assert table.loc["A", ["accuracy", "low", "high"]].tolist() == pytest.approx([2 / 3, low, high])
    low, high = proportion_confint(2, 4, method="wilson")
    assert fairness.overall(table)[["accuracy", "low", "high"]].tolist() == pytest.approx([0.5, low, high])


@pytest.mark.parametrize(
    ("country", "right", "complaint"),
    [
        (["A", "Z"], [1, 0], "no GDP for Z; see fairlib.geography.match"),
        (["A"], [1, 0], r"country has shape \(1,\) and right \(2,\)"),
        ([], [], "expected one of each per image"),
    ],
)
def test_a_table_of_nothing_known_is_refused(country, right, complaint):
    with pytest.raises(ValueError, match=complaint):
        fairness.country_table(country, right, pd.Series({"A": 9.0}))
