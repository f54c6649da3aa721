"""The regression and its tests against statsmodels, SciPy, published examples, closed forms and their nominal size."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from fairlib import fairness, geography

# The BCG vaccine trials (Colditz et al. 1994): vaccinated with and without tuberculosis, the others; absolute latitude.
BCG = np.array([
    (4, 119, 11, 128, 44), (6, 300, 29, 274, 55), (3, 228, 11, 209, 42), (62, 13536, 248, 12619, 52),
    (33, 5036, 47, 5761, 13), (180, 1361, 372, 1079, 44), (8, 2537, 10, 619, 19), (505, 87886, 499, 87892, 13),
    (29, 7470, 45, 7232, 27), (17, 1699, 65, 1600, 42), (186, 50448, 141, 27197, 18), (5, 2493, 3, 2338, 33),
    (27, 16886, 29, 17825, 33),
], dtype=float)  # fmt: skip


def made(seed: int = 0, *, beta: float = 0.02, k: int = 41, images: int = 10_000) -> pd.DataFrame:
    """A table of the simulated world's countries, with a slope."""
    world = geography.shares().iloc[:k]
    n = np.maximum(1, np.round(images * world["share"]))
    rng = np.random.default_rng(seed)
    p = fairness.simulate(world["log_gdp"], n, beta=beta, accuracy=0.85, tau=0.02, worlds=1, rng=rng)[0]
    return pd.DataFrame({"n": n, "accuracy": p, "log_gdp": world["log_gdp"]})


TABLE = made()
tables = st.integers(3, 12).flatmap(
    lambda k: (
        st.tuples(
            # Two that all but agree leave a third with a leverage of 1 but for rounding, of which HC3 makes anything.
            arrays(float, k, elements=st.integers(600, 1_200).map(lambda i: i / 100), unique=True),
            arrays(float, k, elements=st.integers(0, 20).map(lambda i: i / 20)),
            arrays(int, k, elements=st.integers(1, 5_000)),
        )
        .filter(lambda t: np.ptp(t[0]) > 0.1 and np.ptp(t[1]) > 0)
        .map(lambda t: pd.DataFrame({"log_gdp": t[0], "accuracy": t[1], "n": t[2]}))
    )
)


# --- The table. -------------------------------------------------------------------------------------------------------


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
    assert with_it.df == without.df + 1
    assert np.isfinite([with_it.slope, with_it.se, with_it.p]).all()
    if method != "ols":
        assert with_it.slope == pytest.approx(without.slope, abs=0.004)


# --- The slope. -------------------------------------------------------------------------------------------------------


def test_the_slope_is_the_closed_form():
    X = np.column_stack([np.ones(41), TABLE["log_gdp"]])
    precision = np.diag(np.sqrt(TABLE["n"]))  # Sigma^-1
    inverse = np.linalg.inv(X.T @ precision @ X)
    beta = inverse @ X.T @ precision @ TABLE["accuracy"]
    rest = TABLE["accuracy"] - X @ beta
    se = np.sqrt(inverse[1, 1] * (rest @ precision @ rest) / 39)
    found = fairness.slope(TABLE)
    assert (found.slope, found.intercept, found.se) == pytest.approx((beta[1], beta[0], se))
    assert (found.df, found.F) == (39, pytest.approx((beta[1] / se) ** 2))
    assert found.p == pytest.approx(stats.f.sf(found.F, 1, 39))
    assert (found.low, found.high) == pytest.approx(beta[1] + se * stats.t.ppf([0.025, 0.975], 39))


@pytest.mark.parametrize(("method", "power"), [("gls", 0.5), ("wls", 1.0), ("ols", 0.0)])
def test_the_weights_are_powers_of_n(method, power):
    fit = sm.WLS(TABLE["accuracy"], sm.add_constant(TABLE["log_gdp"]), weights=TABLE["n"] ** power).fit()
    found = fairness.slope(TABLE, method)
    assert found.slope == pytest.approx(fit.params["log_gdp"])
    assert (found.F, found.p) == pytest.approx((fit.fvalue, fit.f_pvalue))


def test_hc3_is_the_jackknife_like_sandwich():
    w, X = np.sqrt(TABLE["n"]).to_numpy(), np.column_stack([np.ones(41), TABLE["log_gdp"]])
    bread = np.linalg.inv(X.T @ (w[:, None] * X))
    hat = w * np.einsum("ij,jk,ik->i", X, bread, X)
    rest = TABLE["accuracy"] - X @ fairness.regression(TABLE).params
    meat = X.T @ np.diag((w * rest / (1 - hat)) ** 2) @ X
    found, se = fairness.slope(TABLE, "hc3"), np.sqrt((bread @ meat @ bread)[1, 1])
    assert (found.slope, found.se) == pytest.approx((fairness.slope(TABLE).slope, se))
    # Student's t, and not the normal distribution of large samples.
    assert found.p == pytest.approx(2 * stats.t.sf(found.slope / se, 39))
    assert (found.low, found.high) == pytest.approx(found.slope + se * stats.t.ppf([0.025, 0.975], 39))


def test_the_published_meta_regression_comes_back(monkeypatch):
    """metafor's own example, rma(yi, vi, mods = ~ ablat, test = "knha") on the BCG trials, as its README prints it."""
    tpos, tneg, cpos, cneg, latitude = BCG.T
    y = np.log(tpos / (tpos + tneg) / (cpos / (cpos + cneg)))
    v = 1 / tpos - 1 / (tpos + tneg) + 1 / cpos - 1 / (cpos + cneg)
    found = fairness.meta_regression(latitude, y, v)
    printed = (-0.0291, 0.0082, 0.0046, -0.0472, -0.0111, 0.2515)
    assert (found.slope, found.se, found.p, found.low, found.high, found.intercept) == pytest.approx(printed, abs=5e-5)
    assert (found.df, found.tau2) == (11, pytest.approx(0.0764, abs=1e-4))
    # Its t and F are those of the tau^2 at which its iterations stop, at steps of 1e-5; ours go on to 1e-12.
    t = []
    for tau2 in (0.07635, 0.07645):
        monkeypatch.setattr(fairness, "_reml", lambda g, y, v, tau2=tau2: np.array(tau2))
        t.append(fairness.meta_regression(latitude, y, v).t)
    assert min(t) <= -3.5483 <= max(t)
    assert min(t) ** 2 > 12.5905 > max(t) ** 2
    assert (found.t, found.F) == pytest.approx((-3.5483, 12.5905), rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 0.01},  # one number for all, which numpy would spread out
        {"v": [0.01]},
        {"y": 0.5},
        {"g": [[7.0, 8.0, 9.0]], "y": [[0.5, 0.6, 0.8]], "v": [[0.01, 0.01, 0.01]]},
        {"g": [7.0, 8.0], "y": [0.5, 0.6], "v": [0.01, 0.01]},
        {"v": [0.01, 0.0, 0.01]},
        {"v": [0.01, -0.01, 0.01]},
        {"v": [0.01, np.nan, 0.01]},
    ],
    ids=str,
)
def test_what_a_meta_regression_cannot_use_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        fairness.meta_regression(**({"g": [7.0, 8.0, 9.0], "y": [0.5, 0.6, 0.8], "v": [0.01, 0.02, 0.03]} | wrong))


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


@pytest.mark.parametrize("method", fairness.METHODS)
@settings(max_examples=40, deadline=None)
@given(table=tables)
def test_many_tables_at_once_are_the_same_as_one_by_one(method, table):
    found = fairness.slope(table, method)
    g, p, n = (table[c].to_numpy(dtype=float) for c in ("log_gdp", "accuracy", "n"))
    if not np.isfinite(found.t) or abs(found.t) > 1e6 or found.se < 1e-9:  # on a line, but for rounding
        return
    flipped = np.stack([p, 1 - p])
    assert fairness._t(g, flipped, n, method) == pytest.approx([found.t, -found.t], rel=1e-5, abs=1e-6)
    assert list(fairness.rejects(g, flipped, n, method)) == [found.p < 0.05] * 2


@pytest.mark.parametrize("method", fairness.METHODS)
@settings(max_examples=30, deadline=None)
@given(table=tables, factor=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_units_of_gdp_do_not_matter(method, table, factor, shift):
    found = fairness.slope(table, method)
    other = fairness.slope(table.assign(log_gdp=factor * table["log_gdp"] + shift), method)
    assert other.slope * factor == pytest.approx(found.slope, rel=1e-5, abs=1e-7)
    if found.se > 1e-9:
        assert other.p == pytest.approx(found.p, rel=1e-3, abs=1e-7)


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
        (without.slope, without.p, fairness.slope(TABLE).slope - without.slope)
    )
    assert sorted(found.index) == sorted(TABLE.index)
    assert found["change"].abs().is_monotonic_decreasing
    with pytest.raises(ValueError, match="3 countries, expected at least 4"):
        fairness.influence(TABLE.head(3))


def test_a_country_without_which_nothing_is_left_is_marked():
    table = pd.DataFrame({"n": 9, "accuracy": [0.5, 0.5, 0.5, 0.9], "log_gdp": [7.0, 8.0, 9.0, 10.0]}, list("abcd"))
    assert np.isnan(fairness.influence(table).loc["d", "slope"])


# --- Permutations. ----------------------------------------------------------------------------------------------------


def test_all_permutations_of_a_few_countries_are_tried():
    table = made(2, k=6, images=500)
    g, p, n = (table[c].to_numpy() for c in ("log_gdp", "accuracy", "n"))

    def t(order):
        return abs(sm.WLS(p, sm.add_constant(np.array(order)), weights=np.sqrt(n)).fit().tvalues[1])

    every = [t(order) for order in itertools.permutations(g)]
    value, low, high = fairness.permutation(table)
    assert value == low == high == pytest.approx(np.mean(np.array(every) >= t(g) * (1 - 1e-12)))


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_a_few_permutations_know_how_little_they_know(beta):
    """95 % intervals from 200 orders hold the p of all 5,040 about that often, and zero where none was as large."""
    table = made(4, beta=beta, k=7, images=500)
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
    flat = made(5, beta=0.0)
    value, low, high = fairness.permutation(flat, permutations=1999, seed=1)
    assert low <= value <= high
    assert abs(value - fairness.slope(flat, "hc3").p) < 0.1
    assert fairness.permutation(flat, permutations=1999, seed=1)[0] == value


# --- Size and power. --------------------------------------------------------------------------------------------------


def test_simulated_accuracies_are_shares_of_their_images():
    g, n, rng = np.array([7.0, 9.0, 11.0]), np.array([1, 10, 4_000]), np.random.default_rng(0)
    p = fairness.simulate(g, n, beta=0.05, accuracy=0.5, worlds=20_000, rng=rng)
    assert p.shape == (20_000, 3)
    assert np.allclose(p * n, np.round(p * n))
    true = 0.5 + 0.05 * (g - np.average(g, weights=n))
    z = (p.mean(0) - true) / np.sqrt(true * (1 - true) / n / 20_000)
    assert np.abs(z).max() < 4
    assert p.var(0) == pytest.approx(true * (1 - true) / n, rel=0.05)
    apart = fairness.simulate(g, n, beta=0.0, accuracy=0.5, tau=0.1, worlds=20_000, rng=rng)
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
        np.ptp(q) > 0 and fairness.slope(pd.DataFrame({"n": m, "accuracy": q, "log_gdp": g}), method).p < 0.05
        for q, m in zip(p, n, strict=True)
    ]
    assert fairness.rejects(g, p, n, method).tolist() == alone
    assert 0 < sum(alone) < 40


def test_the_detectable_slope_is_read_off_the_curve():
    curve = pd.DataFrame({"slope": [0.0, 0.01, 0.02, 0.03], "share": [0.05, 0.4, 0.9, 1.0]})
    assert fairness.detectable(curve) == pytest.approx(0.018)
    assert fairness.detectable(curve.iloc[::-1]) == pytest.approx(0.018)
    assert fairness.detectable(curve, power=0.05) == 0
    assert np.isnan(fairness.detectable(curve.head(2)))


@pytest.mark.parametrize("arguments", [{"worlds": 0}, {"tau": -1.0}, {"accuracy": 1.5}])
def test_bad_simulations_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        fairness.power(TABLE, [0.0], **arguments)
    with pytest.raises(ValueError, match="n holds 0, expected finite"):
        fairness.power(TABLE.assign(n=0), [0.0], accuracy=0.5)


# --- Collections of models. -------------------------------------------------------------------------------------------

A = np.array([0.031, 0.028, 0.035, 0.030, 0.027, 0.033, 0.040, 0.029])
B = np.array([0.022, 0.030, 0.025, 0.027, 0.024, 0.021, 0.033, 0.026])


def test_the_paper_s_f_test():
    assert round(stats.f.sf(5.392, 1, 39), 5) == 0.02554


@pytest.mark.parametrize(("t", "p"), [(3.85, 0.00017), (2.95, 0.00242)])
def test_the_paper_s_p_values_are_those_of_49_degrees_of_freedom(t, p):
    allowed = stats.t.sf([t + 0.005, t - 0.005], 49)  # what t may have been before it was rounded
    assert allowed[0] <= p <= allowed[1]
    assert not stats.t.sf(t + 0.005, 98) <= p <= stats.t.sf(t - 0.005, 98)


@pytest.mark.parametrize("test", fairness.TESTS)
def test_comparisons_are_scipy_s(test):
    found = fairness.compare(A, B, test)
    if test == "paired":
        oracle = stats.ttest_rel(A, B, alternative="greater")
    else:
        oracle = stats.ttest_ind(A, B, equal_var=test == "pooled", alternative="greater")
    assert (found.t, found.p, found.df) == pytest.approx((oracle.statistic, oracle.pvalue, oracle.df))
    assert found.difference == pytest.approx(A.mean() - B.mean())
    if test == "paired":
        low, high = DescrStatsW(A - B).tconfint_mean()
    else:
        usevar = "pooled" if test == "pooled" else "unequal"
        low, high = CompareMeans(DescrStatsW(A), DescrStatsW(B)).tconfint_diff(usevar=usevar)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert fairness.compare(B, A, test).p == pytest.approx(1 - found.p)


def test_the_effect_is_hedges_g():
    """Two groups of 50, one standard deviation apart: g = d (1 - 3 / (4 * 98 - 1))."""
    x = np.linspace(-1, 1, 50)
    x /= x.std(ddof=1)
    for test in ("pooled", "welch"):
        assert fairness.compare(x + 1, x, test).g == pytest.approx(1 - 3 / 391)
    one, other = np.array([0.0, 2.0, 4.0]), np.array([1.0, 2.0])  # their variances are 4 and 1/2: 17/6 pooled, of 3
    assert fairness.compare(one, other).g == pytest.approx(0.5 / np.sqrt(17 / 6) * (1 - 3 / 11))
    assert fairness.compare(x + 1, 0 * x, "paired").g == pytest.approx(1 - 3 / 195)


def test_equal_means_are_no_evidence():
    found = fairness.compare(A, A[::-1])
    assert (found.difference, found.p) == pytest.approx((0, 0.5))
    assert found.low == pytest.approx(-found.high) and found.high > 0


@pytest.mark.parametrize(
    ("theirs", "ours", "test", "complaint"),
    [
        ([0.1], [0.1, 0.2], "pooled", "theirs has shape .*expected 2 or more"),
        ([0.1, np.nan], [0.1, 0.2], "welch", "theirs holds nan, expected finite numbers"),
        ([0.1, 0.2, 0.3], [0.1, 0.2], "paired", "3 against 2 slopes"),
        ([0.1, 0.1], [0.2, 0.2], "pooled", "no spread"),
        ([0.1, 0.2], [0.2, 0.3], "bayes", "test is 'bayes', expected one of: pooled, welch, paired"),
    ],
)
def test_bad_collections_are_refused(theirs, ours, test, complaint):
    with pytest.raises(ValueError, match=complaint):
        fairness.compare(theirs, ours, test)


def test_a_data_set_counts_once():
    theirs, ours = [A, A + 0.01, A - 0.002], [B, B + 0.003, B - 0.004]
    found = fairness.compare_over_sets(theirs, ours)
    oracle = stats.ttest_ind([x.mean() for x in theirs], [x.mean() for x in ours], equal_var=False)
    assert (found.t, found.df) == pytest.approx((oracle.statistic, oracle.df))


def test_shared_luck_is_shrout_and_fleiss_icc():
    """Six targets, four judges (Shrout and Fleiss 1979, table 2): ICC(1, 1) = 0.17."""
    ratings = [(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)]
    assert round(fairness.shared_luck(ratings), 2) == 0.17
    # With these 18 degrees of freedom within and 5 between, R's psych::ICC prints -0.13 and 0.72.
    assert [round(end, 2) for end in fairness.shared_luck_interval(ratings)] == [-0.13, 0.72]
    with pytest.raises(ValueError, match=r"groups has shape \(4,\)"):
        fairness.shared_luck([1, 2, 3, 4])
    with pytest.raises(ValueError, match="equal slopes"):
        fairness.shared_luck([[1, 1], [2, 2]])


@pytest.mark.parametrize("icc", [0.0, 0.4])
def test_the_interval_of_shared_luck_holds_it_as_often_as_it_says(icc):
    rng, worlds = np.random.default_rng(0), 1_000
    drawn = icc**0.5 * rng.standard_normal((worlds, 8, 1)) + (1 - icc) ** 0.5 * rng.standard_normal((worlds, 8, 10))
    ends = np.array([fairness.shared_luck_interval(sets) for sets in drawn])
    for missed in ((ends[:, 0] > icc).sum(), (ends[:, 1] < icc).sum()):
        assert stats.binomtest(missed, worlds, 0.025).pvalue > 0.001


@pytest.mark.parametrize(("icc", "models"), [(0.0, 3), (0.3, 3), (0.3, 20), (0.8, 3)])
def test_the_size_within_sets_is_what_simulation_finds(icc, models):
    rng, worlds = np.random.default_rng(0), 20_000
    luck = icc**0.5 * rng.standard_normal((2, worlds, 1))
    theirs, ours = luck + (1 - icc) ** 0.5 * rng.standard_normal((2, worlds, models))
    rejected = (stats.ttest_ind(theirs, ours, axis=1, alternative="greater").pvalue < 0.05).sum()
    low, high = proportion_confint(rejected, worlds, alpha=0.001, method="wilson")
    assert low <= fairness.size_within_sets(icc, models) <= high


def test_models_of_one_data_set_are_not_independent():
    """Arms that differ by the luck of their data sets alone: counting models misleads, counting data sets does not."""
    rng, worlds = np.random.default_rng(0), 400
    wrong = right = 0
    for _ in range(worlds):
        arms = [[0.01 * rng.standard_normal() + 0.01 * rng.standard_normal(50) for _ in range(8)] for _ in range(2)]
        wrong += fairness.compare(arms[0][0], arms[1][0]).p < 0.05
        right += fairness.compare_over_sets(*arms).p < 0.05
    expected = fairness.size_within_sets(0.5, 50)
    low, high = proportion_confint(wrong, worlds, alpha=0.001, method="wilson")
    assert low <= expected <= high and expected > 0.3
    assert fairness.size_within_sets(-0.01, 50) == pytest.approx(0.05)
    low, high = proportion_confint(right, worlds, alpha=0.001, method="wilson")
    assert low <= 0.05 <= high
