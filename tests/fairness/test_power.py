"""Simulated countries, size and power against closed forms and nominal levels."""

import numpy as np
import pandas as pd
import pytest
from country_tables import TABLE
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fairlib import fairness


def test_simulated_accuracies_are_shares_of_their_images():
    g, n, rng = np.array([7.0, 9.0, 11.0]), np.array([1, 10, 4_000]), np.random.default_rng(0)
    p = fairness.simulate(g, n, slope=0.05, accuracy=0.5, worlds=20_000, rng=rng)
    assert p.shape == (20_000, 3)
    assert np.allclose(p * n, np.round(p * n))
    true = 0.5 + 0.05 * (g - np.average(g, weights=n))
    z = (p.mean(0) - true) / np.sqrt(true * (1 - true) / n / 20_000)
    assert np.abs(z).max() < 4
    assert p.var(0) == pytest.approx(true * (1 - true) / n, rel=0.05)
    apart = fairness.simulate(g, n, slope=0.0, accuracy=0.5, tau=0.1, worlds=20_000, rng=rng)
    assert apart.var(0)[2] == pytest.approx(0.1**2 + 0.25 / 4_000, rel=0.05)


@pytest.mark.parametrize("method", fairness.METHODS)
def test_the_size_is_nominal_where_the_model_holds(method):
    """Normal errors whose variances are those that the method assumes: then 5 % of worlds are rejected."""
    rng, worlds = np.random.default_rng(1), 6_000
    g, n = TABLE["log_gdp"].to_numpy(), TABLE["n"].to_numpy()
    if method in ("hc3", "meta"):  # these two hold their size in large samples and with equal n only
        g, n = np.linspace(7, 11, 200), np.full(200, 100.0)
    spread = n ** {"gls": -0.25, "wls": -0.5, "ols": 0.0, "hc3": 0.0, "meta": -0.5}[method]
    p = 0.5 + 0.05 * spread / spread.max() * rng.standard_normal((worlds, len(g)))
    rejected = fairness.rejects(g, p, n, method).sum()
    low, high = proportion_confint(rejected, worlds, alpha=0.001, method="wilson")
    assert low <= 0.05 <= high


def test_weights_that_ignore_the_variance_between_countries_reject_too_often():
    found = fairness.power(TABLE, [0.0], methods=("gls", "wls", "meta"), tau=0.05, worlds=3_000).set_index("method")
    assert found.loc["wls", "low"] > 0.2
    assert found.loc["meta", "high"] < 0.09


def test_power_is_that_of_the_noncentral_t():
    n, k = 400, 30
    table = pd.DataFrame({"n": n, "log_gdp": np.linspace(7, 11, k)})
    beta, accuracy = 0.02, 0.6
    error = np.sqrt(accuracy * (1 - accuracy) / n / ((table["log_gdp"] - 9) ** 2).sum())
    expected = stats.nct.sf(stats.t.ppf(0.975, k - 2), k - 2, beta / error)
    found = fairness.power(table, [beta, -beta], accuracy=accuracy, worlds=4_000)
    for share in found["share"]:
        assert share == pytest.approx(expected, abs=0.03)
    assert (found["low"] <= found["share"]).all() and (found["share"] <= found["high"]).all()
    assert found["worlds"].tolist() == [4_000] * 2
    assert found["share"].tolist() == (found["rejected"] / 4_000).tolist()


def test_the_accuracy_of_simulated_worlds_is_that_over_all_images():
    given = fairness.power(TABLE, [0.01], worlds=300, accuracy=np.average(TABLE["accuracy"], weights=TABLE["n"]))
    pd.testing.assert_frame_equal(fairness.power(TABLE, [0.01], worlds=300), given)


def test_the_same_seed_is_the_same_worlds():
    a, b = (fairness.power(TABLE, [0.01], worlds=300, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    assert fairness.power(TABLE, [0.01], worlds=300, seed=5)["rejected"].item() != a["rejected"].item()


def test_no_worlds_are_none_rejected():
    assert fairness.rejects(TABLE["log_gdp"], np.empty((0, 41)), np.empty((0, 41))).shape == (0,)


def test_a_world_of_equal_accuracies_is_not_rejected():
    p = np.stack([np.full(41, 0.5), np.linspace(0.2, 0.8, 41)])
    order = np.argsort(TABLE["log_gdp"].to_numpy())
    assert fairness.rejects(TABLE["log_gdp"].to_numpy()[order], p, np.full(41, 50)).tolist() == [False, True]


@pytest.mark.parametrize("method", fairness.METHODS)
def test_worlds_may_have_images_of_their_own(method):
    g, rng = TABLE["log_gdp"].to_numpy(), np.random.default_rng(3)
    n = rng.integers(5, 2_000, (40, 41))
    p = rng.binomial(n, 0.8 + 0.01 * (g - g.mean())) / n
    p[7] = 0.5
    alone = [
        np.ptp(q) > 0 and fairness.slope(pd.DataFrame({"n": m, "accuracy": q, "log_gdp": g}), method).p_value < 0.05
        for q, m in zip(p, n, strict=True)
    ]
    assert fairness.rejects(g, p, n, method).tolist() == alone
    assert 0 < sum(alone) < 40


def test_the_detectable_slope_is_read_off_the_curve():
    curve = pd.DataFrame({"slope": [0.0, 0.01, 0.02, 0.03], "share": [0.05, 0.4, 0.9, 1.0]})
    assert fairness.detectable(curve) == pytest.approx(0.018)
    assert fairness.detectable(curve.iloc[::-1]) == pytest.approx(0.018)
    assert fairness.detectable(curve, target=0.05) == 0
    assert np.isnan(fairness.detectable(curve.head(2)))


@pytest.mark.parametrize("arguments", [{"worlds": 0}, {"tau": -1.0}, {"accuracy": 1.5}])
def test_bad_simulations_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        fairness.power(TABLE, [0.0], **arguments)
    with pytest.raises(ValueError, match="n holds 0, expected finite"):
        fairness.power(TABLE.assign(n=0), [0.0], accuracy=0.5)
