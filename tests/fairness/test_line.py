"""Weighted lines for many tables at once against statsmodels, one by one."""

import numpy as np
import pytest
import statsmodels.api as sm
from country_tables import TABLE

from fairlib import fairness
from fairlib.fairness.line import hc3_standard_error, standard_error, weighted_line


def test_lines_and_errors_are_those_of_statsmodels():
    rng = np.random.default_rng(0)
    x, y, weights = rng.standard_normal(9), rng.standard_normal((4, 3, 9)), rng.uniform(0.5, 2, (4, 1, 9))
    line = weighted_line(x, y, weights)
    errors, robust = standard_error(line, weights), hc3_standard_error(line, weights)
    assert line.slope.shape == line.intercept.shape == errors.shape == robust.shape == (4, 3)
    for i, j in np.ndindex(4, 3):
        model = sm.WLS(y[i, j], sm.add_constant(x), weights=weights[i, 0])
        fit = model.fit()
        assert (line.intercept[i, j], line.slope[i, j]) == pytest.approx(tuple(fit.params))
        assert line.residuals[i, j] == pytest.approx(fit.resid)
        assert errors[i, j] == pytest.approx(fit.bse[1])
        assert robust[i, j] == pytest.approx(model.fit(cov_type="HC3").bse[1])


def test_f_is_that_of_the_regression():
    assert pytest.approx(fairness.regression(TABLE).fvalue) == fairness.slope(TABLE).F
