"""The meta-regression against a published example, closed forms and a general optimiser."""

import numpy as np
import pandas as pd
import pytest
from country_tables import TABLE, tables
from hypothesis import example, given, settings
from scipy import optimize
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from fairlib import fairness
from fairlib.fairness import meta

# The BCG vaccine trials (Colditz et al. 1994): vaccinated with and without tuberculosis, the others; absolute latitude.
BCG = np.array([
    (4, 119, 11, 128, 44), (6, 300, 29, 274, 55), (3, 228, 11, 209, 42), (62, 13536, 248, 12619, 52),
    (33, 5036, 47, 5761, 13), (180, 1361, 372, 1079, 44), (8, 2537, 10, 619, 19), (505, 87886, 499, 87892, 13),
    (29, 7470, 45, 7232, 27), (17, 1699, 65, 1600, 42), (186, 50448, 141, 27197, 18), (5, 2493, 3, 2338, 33),
    (27, 16886, 29, 17825, 33),
], dtype=float)  # fmt: skip


def test_the_published_meta_regression_comes_back(monkeypatch):
    """metafor's own example, rma(yi, vi, mods = ~ ablat, test = "knha") on the BCG trials, as its README prints it."""
    tpos, tneg, cpos, cneg, latitude = BCG.T
    y = np.log(tpos / (tpos + tneg) / (cpos / (cpos + cneg)))
    v = 1 / tpos - 1 / (tpos + tneg) + 1 / cpos - 1 / (cpos + cneg)
    found = fairness.meta_regression(latitude, y, v)
    printed = (-0.0291, 0.0082, 0.0046, -0.0472, -0.0111, 0.2515)
    assert (found.slope, found.standard_error, found.p_value, found.low, found.high, found.intercept) == pytest.approx(
        printed, abs=5e-5
    )
    assert (found.degrees_of_freedom, found.tau2) == (11, pytest.approx(0.0764, abs=1e-4))
    # Its t and F are those of the tau^2 at which its iterations stop, at steps of 1e-5; ours go on to 1e-12.
    t = []
    for tau2 in (0.07635, 0.07645):
        monkeypatch.setattr(meta, "_reml", lambda x, y, variances, tau2=tau2: np.array(tau2))
        t.append(fairness.meta_regression(latitude, y, v).t)
    assert min(t) <= -3.5483 <= max(t)
    assert min(t) ** 2 > 12.5905 > max(t) ** 2
    assert (found.t, found.F) == pytest.approx((-3.5483, 12.5905), rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"variances": 0.01},  # one number for all, which numpy would spread out
        {"variances": [0.01]},
        {"estimates": 0.5},
        {"covariate": [[7.0, 8.0, 9.0]], "estimates": [[0.5, 0.6, 0.8]], "variances": [[0.01, 0.01, 0.01]]},
        {"covariate": [7.0, 8.0], "estimates": [0.5, 0.6], "variances": [0.01, 0.01]},
        {"variances": [0.01, 0.0, 0.01]},
        {"variances": [0.01, -0.01, 0.01]},
        {"variances": [0.01, np.nan, 0.01]},
    ],
    ids=str,
)
def test_what_a_meta_regression_cannot_use_is_refused(wrong):
    good = {"covariate": [7.0, 8.0, 9.0], "estimates": [0.5, 0.6, 0.8], "variances": [0.01, 0.02, 0.03]}
    with pytest.raises(ValueError, match="expected"):
        fairness.meta_regression(**(good | wrong))


def test_the_sampling_variance_is_that_of_a_share_of_images():
    """10 and 40 images, of which 5 and 30 are right: 35 of 50, so 0.7 x 0.3 / n_i; and so for each of many tables."""
    p, n = np.array([[0.5, 0.75], [1.0, 0.5]]), np.array([10, 40])
    assert fairness.sampling_variance(p, n) == pytest.approx(np.array([[0.021, 0.00525], [0.024, 0.006]]))


def restricted(tau2: float, table: pd.DataFrame) -> float:
    """Minus the restricted log-likelihood of the meta-regression, but for a constant."""
    g, p, n = (table[c].to_numpy(dtype=float) for c in ("log_gdp", "accuracy", "n"))
    V = fairness.sampling_variance(p, n) + tau2
    X = np.column_stack([np.ones(len(g)), g])
    A = X.T @ (X / V[:, None])
    rest = p - X @ np.linalg.solve(A, X.T @ (p / V))
    return 0.5 * (np.log(V).sum() + np.linalg.slogdet(A)[1] + (rest**2 / V).sum())


# Here Fisher scoring with whole steps goes to and fro between 0 and 0.00015 for ever.
TO_AND_FRO = pd.DataFrame({
    "log_gdp": [6, 7, 8, 9, 10, 11, 6.5, 6.25, 6.75, 7.5, 7.75, 8.5],
    "accuracy": [0.6] + [0.0] * 11, "n": [3] + [1] * 11,
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@example(TO_AND_FRO)
@given(tables)
def test_tau2_maximises_the_restricted_likelihood(table):
    found = fairness.slope(table, "meta").tau2
    best = optimize.minimize_scalar(restricted, bounds=(0, 2), args=(table,), method="bounded", options={"xatol": 1e-9})
    assert found >= 0
    assert restricted(found, table) <= min(best.fun, restricted(0.0, table)) + 1e-6


def test_countries_that_differ_by_sampling_only_have_no_tau2():
    flat = TABLE.assign(accuracy=0.85 + 0.001 * np.cos(np.arange(41)))
    assert fairness.slope(flat, "meta").tau2 == 0


@pytest.mark.parametrize("where", [lambda: fairness.slope(TABLE, "meta"), lambda: fairness.slope(TO_AND_FRO, "meta")])
def test_iterations_that_end_too_early_are_warned_of(where, monkeypatch, recwarn):
    settled = where().tau2
    assert not recwarn.list
    monkeypatch.setattr(meta, "ITERATIONS", 2)
    with pytest.warns(ConvergenceWarning, match=r"tau\^2 still changes after 2 steps in 1 of 1 tables; the last value"):
        assert where().tau2 != settled


def test_only_the_tables_that_have_not_settled_are_counted(monkeypatch):
    """Of two tables the second has no variance between countries, which its first step finds."""
    log_gdp, n = TABLE["log_gdp"].to_numpy(), TABLE["n"].to_numpy()
    flat = 0.85 + 0.001 * np.cos(np.arange(41))
    monkeypatch.setattr(meta, "ITERATIONS", 2)
    with pytest.warns(ConvergenceWarning, match="in 1 of 2 tables"):
        fairness.rejects(log_gdp, [TABLE["accuracy"], flat], n, "meta")


def test_one_unsettled_world_among_hundreds_is_not_worth_a_warning(monkeypatch, recwarn):
    log_gdp, n = TABLE["log_gdp"].to_numpy(), TABLE["n"].to_numpy()
    flat = 0.85 + 0.001 * np.cos(np.arange(41))
    monkeypatch.setattr(meta, "ITERATIONS", 2)
    fairness.rejects(log_gdp, [flat] * 199 + [TABLE["accuracy"]], n, "meta")
    assert not recwarn.list
    with pytest.warns(ConvergenceWarning, match="in 3 of 200 tables"):
        fairness.rejects(log_gdp, [flat] * 197 + [TABLE["accuracy"]] * 3, n, "meta")
