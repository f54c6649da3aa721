"""The made worlds hold what they are said to hold, and the counts add up."""

import numpy as np
import pandas as pd
import pytest
from book.experiments.test_bias_metric import write

from fairlib import fairness
from fairlib.book.experiments import audit_worlds


def made(kind: str, *, countries: int = 20, shares: str = "even", slope: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(audit_worlds.world(rng, audit_worlds.KINDS[kind], countries, shares, slope))


def test_each_unit_is_there_once():
    units = audit_worlds.units("embedded")
    assert len({tuple(unit.items()) for unit in units}) == len(units) == 42
    assert {(unit["countries"], unit["shares"]) for unit in units if unit["kind"] == "all" and unit["slope"]} == {
        (k, shares) for k in (8, 20, 41) for shares in ("even", "paper")
    }


def test_the_poor_show_the_harder_classes_where_the_mix_differs():
    for kind, differs in (("chance", False), ("classes", True)):
        images = made(kind)
        correlation = np.corrcoef(images["log_wealth"], images["classes"])[0, 1]
        assert (correlation > 0.15) == differs
        assert images.groupby("classes")["right"].mean().corr(pd.Series(range(20))) > 0.9


def test_country_effects_scatter_the_countries():
    apart, near = (
        np.mean([made(kind, seed=s).groupby("countries")["right"].mean().var() for s in range(5)])
        for kind in ("countries", "chance")
    )
    assert apart - near == pytest.approx(audit_worlds.COUNTRY_EFFECT**2, rel=0.8)


def test_the_slope_is_in_it():
    found = [fairness.within_class(**made("chance", slope=0.05, seed=s))["between"].slope for s in range(8)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.012)


def test_even_shares_and_the_papers():
    even, paper = (
        made("chance", countries=41, shares=shares)["countries"].value_counts() for shares in ("even", "paper")
    )
    assert even.max() < 100 < 800 < paper.max()


def test_a_units_counts(monkeypatch):
    monkeypatch.setattr(audit_worlds, "WORLDS", 12)
    found = audit_worlds.run(kind="classes", countries=20, shares="even", slope=0.0)
    rows = pd.DataFrame(found["rows"]).set_index("test")
    assert rows["worlds"].tolist() == [12, 12, 12]
    assert rows.loc["raw", "rejected"] > 6 > rows.loc["within classes", "rejected"]
    assert rows.loc["established", "rejected"] <= rows.loc["within classes", "rejected"]
    assert found == audit_worlds.run(kind="classes", countries=20, shares="even", slope=0.0)
    assert found["too_few"] == 0


def test_rates_are_read_from_records(house):
    rows = [{"test": "raw", "rejected": 50, "covered": 950, "worlds": 1_000}]
    write("audit_worlds", {"kind": "chance", "countries": 8, "shares": "even", "slope": 0.0}, rows)
    row = audit_worlds.rates().loc[("chance", 8, "even", 0.0, "raw")]
    assert (row["share"], row["low"], row["high"]) == pytest.approx((0.05, 0.0381, 0.0653), abs=1e-3)
