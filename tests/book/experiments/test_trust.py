"""Which t-test was it, what equal attacks look like, and estimates against hand-made records."""

import numpy as np
import pandas as pd
import pytest
from book.experiments.test_bias_metric import ROOT, write, write_worlds
from scipy import stats

from fairlib import fairness, geography, training
from fairlib.book import claims
from fairlib.book.experiments import bias_metric, fairer, trust


def test_candidates_are_the_tails_of_t():
    found = trust.candidates(3.85)
    assert found["p"]["paired, one-sided"] == pytest.approx(stats.t.sf(3.85, 49))
    assert found["p"]["pooled, two-sided"] == pytest.approx(2 * stats.t.sf(3.85, 98))
    for row in found.itertuples():
        assert row.low < row.p < row.high
    welch = found.loc["Welch, one-sided"]
    assert (welch["low"], welch["high"]) == pytest.approx((stats.t.sf(3.855, 98), stats.t.sf(3.845, 49)))


@pytest.mark.parametrize("arm", trust.PRINTED)
def test_the_printed_p_has_49_degrees_of_freedom_and_not_98(arm):
    t, p = trust.PRINTED[arm]
    found = trust.candidates(t).round(5)
    paired, pooled = found.loc["paired, one-sided"], found.loc["pooled, one-sided"]
    assert paired["low"] <= p <= paired["high"] and not pooled["low"] <= p <= pooled["high"]


def test_fair_countries_that_differ_are_called_biased_too_often():
    alone, apart = trust.size_apart(0.0), trust.size_apart(trust.TAU)
    assert alone["low"] < 0.05 and apart["low"] > 0.05


def test_a_table_of_worlds_is_tested_one_by_one():
    rng = np.random.default_rng(0)
    g = geography.shares()["log_gdp"].to_numpy()
    n = rng.integers(0, 60, (30, 41))
    n[:10] += 1
    right = rng.binomial(n, np.clip(0.7 + 0.04 * (g - 10), 0, 1))
    for method in ("gls", "meta"):
        found = trust.over_worlds(n, right, g, method)
        for i in range(30):
            there = n[i] > 0
            table = pd.DataFrame({"n": n[i], "log_gdp": g})[there].assign(accuracy=right[i, there] / n[i, there])
            assert found[i] == (fairness.slope(table, method).p_value < 0.05)
    assert 0 < found.sum() < 30


def arms(icc: float, *, sets: int, models: int, worlds: int, seed: int = 0) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        [icc**0.5 * rng.standard_normal() + (1 - icc) ** 0.5 * rng.standard_normal(models) for _ in range(sets)]
        for _ in range(worlds)
    ]


@pytest.mark.parametrize("icc", [0.0, 0.3])
def test_equal_attacks_differ_as_often_as_their_shared_luck_says(icc):
    drawn = arms(icc, sets=6, models=10, worlds=60)
    found = trust.size_between_twins(trust.twins({str(i): sets for i, sets in enumerate(drawn)}))
    assert found["low"] <= found["value"] <= found["high"]
    expected = fairness.size_within_sets(icc, 10)
    assert found["value"] == pytest.approx(expected, abs=0.03)
    assert found["low"] - 0.01 <= expected <= found["high"] + 0.01
    assert (found["low"] > 0.05) == (icc > 0)


def test_twins_are_compared_both_ways():
    low, high = np.linspace(0.01, 0.012, 10), np.linspace(0.02, 0.022, 10)
    found = trust.twins({"pgd": [low, high]})["pgd"]
    assert found.tolist() == [[False, False], [True, False]]
    assert trust.size_between_twins({"pgd": found})["value"] == 0.5
    assert trust.size_between_twins({"pgd": np.zeros((5, 5), bool)}) == {"value": 0, "low": 0, "high": 0}


def test_a_unit_counts_rejections_in_fair_worlds(monkeypatch):
    monkeypatch.setattr(bias_metric, "trained", lambda seed, shortcut: training.shipped("LeNet5", "FashionMNIST"))
    monkeypatch.setattr(trust, "WORLDS", 400)
    found = trust.run(seed=0)
    assert [row["method"] for row in found["rows"]] == list(fairness.METHODS)
    for row in found["rows"]:
        assert row["worlds"] == 400 and 2 <= row["rejected"] <= 60
    assert found == trust.run(seed=0)


def write_all() -> None:
    write_worlds([0.03] * 6)
    for seed in range(3):
        rows = [{"method": m, "rejected": 40 + i, "worlds": 1_000} for i, m in enumerate(fairness.METHODS)]
        write("trust", {"seed": seed}, rows)


def models(means: list[float]) -> pd.DataFrame:
    """What `fairer.slopes` gives, for arms with a mean slope per data set."""
    rows = [
        (arm, seed, model, mean + 0.001 * (model - 4.5), 0.9)
        for arm in fairer.ADVERSARIAL
        for seed, mean in enumerate(means)
        for model in range(10 + 40 * (seed == 0))
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "model", "slope", "accuracy"])


def test_estimates(house, monkeypatch):
    write_all()
    monkeypatch.setattr(fairer, "slopes", lambda: models([0.01, 0.02, 0.03]))
    found = {quantity: claims.Estimate(**fields) for quantity, fields in trust.estimates().items()}
    assert set(found) == claims.asked("trust")
    assert found["world/variance_exponent"].value == pytest.approx(-0.5)
    assert found["ftest/size"].value == pytest.approx(0.04)
    assert found["ttest/size/same_attack"].value == 0.5  # every pair of data sets, one of the two ways
    assert found["ttest/pgd/p/df=49"].value == pytest.approx(stats.t.sf(3.85, 49))
    assert found["ttest/perc/p/two_sample"].value == pytest.approx(stats.t.sf(2.95, 98))
    pages = "".join((ROOT / "notebooks" / f"{name}.md").read_text() for name in ("trust", "check_trust"))
    assert all(f"({estimate.anchor})=" in pages for estimate in found.values())
    verdicts = {c.id: claims.judge(c, found) for c in claims.load("hua") if c.chapter == "trust"}
    assert verdicts["hua-ttest-pgd-df49"] == verdicts["hua-ttest-perc-df49"] == claims.REPRODUCED
    assert found["world/variance_exponent"].units == 6 and verdicts["hua-variance"] == claims.NOT_REPRODUCED
    assert verdicts["hua-ttest-pgd-two-sample"] == verdicts["hua-ttest-perc-two-sample"] == claims.PARTLY
    assert verdicts["hua-ttest-pgd-significant"] == verdicts["hua-ttest-perc-significant"] == claims.REPRODUCED
    assert verdicts["hua-ttest-size"] == claims.NOT_REPRODUCED


def test_without_the_records_of_another_chapter_the_rest_is_estimated(house):
    write_all()
    assert "ttest/size/same_attack" not in trust.estimates()
    assert "ftest/size" in trust.estimates()


def test_as_many_models_of_each_data_set_are_compared(monkeypatch):
    monkeypatch.setattr(fairer, "slopes", lambda: models([0.01, 0.02]))
    assert [len(m) for m in trust.recorded_slopes()["pgd"]] == [10, 10]
    monkeypatch.setattr(fairer, "slopes", lambda: models([0.01]))
    with pytest.raises(FileNotFoundError, match="no two data sets of pgd, perc, ssim, ours yet"):
        trust.recorded_slopes()
