"""The slope's tests against closed forms, statsmodels and all permutations."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from country_tables import TABLE, made, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fairlib import fairness
from fairlib.fairness.slope import t_statistics


def test_the_paper_s_f_test():
    assert round(stats.f.sf(5.392, 1, 39), 5) == 0.02554


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.head(2), "2 countries, expected at least 3"),
        (lambda t: t.assign(n=0), r"n holds 0, expected finite numbers in \[1, inf\]"),
        (lambda t: t.assign(n=np.nan), "n holds nan, expected finite numbers"),
        (lambda t: t.assign(n=t["n"] + 0.5), "expected whole numbers: they are counts"),
        (lambda t: t.assign(accuracy=0.5), "every country has the accuracy 0.5"),
        (lambda t: t.assign(accuracy=50.0 + t["accuracy"]), r"accuracy holds 50.*, expected .* in \[0, 1\]"),
        (lambda t: t.assign(accuracy=np.nan), r"accuracy holds nan, expected finite numbers in \[0, 1\]"),
        (lambda t: t.assign(accuracy=t["accuracy"].astype(str)), "accuracy holds '.*', expected numbers"),
        (lambda t: t.assign(log_gdp=9.0), "expected countries of different GDP"),
        (lambda t: t.drop(columns="n"), "lacks n; make it with"),
    ],
)
@pytest.mark.parametrize("method", fairness.METHODS)
def test_a_table_without_a_slope_is_refused(change, complaint, method):
    with pytest.raises(ValueError, match=complaint):
        fairness.slope(change(TABLE), method)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method is 'lasso', expected one of: gls, wls, ols, hc3, meta"):
        fairness.slope(TABLE, "lasso")


@pytest.mark.parametrize("method", fairness.METHODS)
def test_a_country_with_one_image_counts_little(method):
    lonely = pd.concat([TABLE, pd.DataFrame({"n": [1], "accuracy": [0.0], "log_gdp": [9.5]})])
    with_it, without = fairness.slope(lonely, method), fairness.slope(TABLE, method)
    assert with_it.degrees_of_freedom == without.degrees_of_freedom + 1
    assert np.isfinite([with_it.slope, with_it.standard_error, with_it.p_value]).all()
    if method != "ols":
        assert with_it.slope == pytest.approx(without.slope, abs=0.004)


def test_the_slope_is_the_closed_form():
    X = np.column_stack([np.ones(41), TABLE["log_gdp"]])
    precision = np.diag(np.sqrt(TABLE["n"]))  # Sigma^-1
    inverse = np.linalg.inv(X.T @ precision @ X)
    beta = inverse @ X.T @ precision @ TABLE["accuracy"]
    rest = TABLE["accuracy"] - X @ beta
    se = np.sqrt(inverse[1, 1] * (rest @ precision @ rest) / 39)
    found = fairness.slope(TABLE)
    assert (found.slope, found.intercept, found.standard_error) == pytest.approx((beta[1], beta[0], se))
    assert (found.degrees_of_freedom, found.F) == (39, pytest.approx((beta[1] / se) ** 2))
    assert found.p_value == pytest.approx(stats.f.sf(found.F, 1, 39))
    assert (found.low, found.high) == pytest.approx(beta[1] + se * stats.t.ppf([0.025, 0.975], 39))


@pytest.mark.parametrize(("method", "power"), [("gls", 0.5), ("wls", 1.0), ("ols", 0.0)])
def test_the_weights_are_powers_of_n(method, power):
    fit = sm.WLS(TABLE["accuracy"], sm.add_constant(TABLE["log_gdp"]), weights=TABLE["n"] ** power).fit()
    found = fairness.slope(TABLE, method)
    assert found.slope == pytest.approx(fit.params["log_gdp"])
    assert (found.F, found.p_value) == pytest.approx((fit.fvalue, fit.f_pvalue))


def test_hc3_is_the_jackknife_like_sandwich():
    w, X = np.sqrt(TABLE["n"]).to_numpy(), np.column_stack([np.ones(41), TABLE["log_gdp"]])
    bread = np.linalg.inv(X.T @ (w[:, None] * X))
    hat = w * np.einsum("ij,jk,ik->i", X, bread, X)
    rest = TABLE["accuracy"] - X @ fairness.regression(TABLE).params
    meat = X.T @ np.diag((w * rest / (1 - hat)) ** 2) @ X
    found, se = fairness.slope(TABLE, "hc3"), np.sqrt((bread @ meat @ bread)[1, 1])
    assert (found.slope, found.standard_error) == pytest.approx((fairness.slope(TABLE).slope, se))
    # Student's t, and not the normal distribution of large samples.
    assert found.p_value == pytest.approx(2 * stats.t.sf(found.slope / se, 39))
    assert (found.low, found.high) == pytest.approx(found.slope + se * stats.t.ppf([0.025, 0.975], 39))


@pytest.mark.parametrize("method", fairness.METHODS)
@settings(max_examples=40, deadline=None)
@given(table=tables)
def test_many_tables_at_once_are_the_same_as_one_by_one(method, table):
    found = fairness.slope(table, method)
    g, p, n = (table[c].to_numpy(dtype=float) for c in ("log_gdp", "accuracy", "n"))
    if not np.isfinite(found.t) or abs(found.t) > 1e6 or found.standard_error < 1e-9:  # on a line, but for rounding
        return
    flipped = np.stack([p, 1 - p])
    assert t_statistics(g, flipped, n, method) == pytest.approx([found.t, -found.t], rel=1e-5, abs=1e-6)
    assert list(fairness.rejects(g, flipped, n, method)) == [found.p_value < 0.05] * 2


@pytest.mark.parametrize("method", fairness.METHODS)
@settings(max_examples=30, deadline=None)
@given(table=tables, factor=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_units_of_gdp_do_not_matter(method, table, factor, shift):
    found = fairness.slope(table, method)
    other = fairness.slope(table.assign(log_gdp=factor * table["log_gdp"] + shift), method)
    assert other.slope * factor == pytest.approx(found.slope, rel=1e-5, abs=1e-7)
    if found.standard_error > 1e-9:
        assert other.p_value == pytest.approx(found.p_value, rel=1e-3, abs=1e-7)


def test_all_permutations_of_a_few_countries_are_tried():
    table = made(2, k=6, images=500)
    g, p, n = (table[c].to_numpy() for c in ("log_gdp", "accuracy", "n"))

    def t(order):
        return abs(sm.WLS(p, sm.add_constant(np.array(order)), weights=np.sqrt(n)).fit().tvalues[1])

    every = [t(order) for order in itertools.permutations(g)]
    value, low, high = fairness.permutation(table)
    assert value == low == high == pytest.approx(np.mean(np.array(every) >= t(g) * (1 - 1e-12)))


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_a_few_permutations_know_how_little_they_know(slope):
    """95 % intervals from 200 orders hold the p of all 5,040 about that often, and zero where none was as large."""
    table = made(4, slope=slope, k=7, images=500)
    exact, *_ = fairness.permutation(table)
    found = [fairness.permutation(table, permutations=200, seed=seed) for seed in range(60)]
    assert all(low <= value <= high for value, low, high in found)
    held = sum(low <= exact <= high for _, low, high in found)
    assert stats.binomtest(held, 60, 0.95).pvalue > 0.001
    assert all(low == 0 for value, low, _ in found if value == pytest.approx(1 / 201))


def test_all_orders_are_known_to_be_all():
    table = made(4, k=5, images=500)
    value, low, high = fairness.permutation(table, permutations=120)
    assert value == low == high == fairness.permutation(table)[0]


def test_some_permutations_of_many_countries():
    value, low, high = fairness.permutation(TABLE, permutations=999, seed=1)
    assert low <= value <= high and value <= 0.05
    flat = made(5, slope=0.0)
    value, low, high = fairness.permutation(flat, permutations=1999, seed=1)
    assert low <= value <= high
    assert abs(value - fairness.slope(flat, "hc3").p_value) < 0.1
    assert fairness.permutation(flat, permutations=1999, seed=1)[0] == value
