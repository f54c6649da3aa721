"""The made worlds hold what they are said to hold, their answers are counted as they fall, and rates are read off."""

import json

import numpy as np
import pandas as pd
import pytest

from fairlib import audit, fairness
from fairlib.book import units
from fairlib.book.experiments import audit_worlds


def made(kind: str, *, shares: str = "even", countries: int = 20, images: int = 2_000, slope=0.0, seed=0):
    return audit_worlds.world(np.random.default_rng(seed), kind, shares, countries, images, slope)


def write(arguments: dict, **result: list[dict]) -> None:
    unit = units.Unit("audit_worlds", arguments)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(json.dumps({"arguments": arguments, "source": "", "provenance": {}, "result": result}))


def test_each_unit_is_there_once():
    listed = pd.DataFrame(audit_worlds.units("embedded"))
    assert not listed.duplicated().any()
    flat = listed.query("what == 'verdict' and slope == 0 and images == @audit_worlds.IMAGES")
    wanted = {(k, s, n) for k in audit_worlds.KINDS for s in ("even", "paper") for n in (8, 20, 41)}
    missing = wanted - set(zip(flat["kind"], flat["shares"], flat["countries"], strict=True))
    assert {(kind, shares) for kind, shares, _ in missing} == {("small classes", "paper"), ("scatter", "paper")}
    steep = listed.query("slope > 0")
    assert {(r.shares, r.countries, r.kind) for r in steep.itertuples()} == {
        (shares, k, "all") for shares in ("even", "paper") for k in (8, 20, 41)
    }
    assert set(listed.query("what == 'models'")["kind"]) == {"equal", "flatter"}


def test_the_poor_show_the_harder_classes_where_the_mix_differs():
    for kind, differs in (("chance", False), ("classes", True)):
        images = made(kind, images=20_000)
        correlation = np.corrcoef(images["log_wealth"], images["class"])[0, 1]
        assert (correlation > 0.15) == differs
        accuracy = images.groupby("class")["right"].mean()
        assert accuracy.corr(pd.Series(range(20))) > 0.9 and accuracy.iloc[0] < 0.4 and accuracy.iloc[-1] > 0.6
    assert made("small classes")["class"].nunique() > 300


def test_within_a_class_a_world_without_a_slope_has_none():
    """By a regression of statsmodels over many worlds, with a dummy for each class: none of the audit's code."""
    for kind in ("classes", "all"):
        slopes = [dummies(made(kind, seed=seed)) for seed in range(25)]
        assert abs(np.mean(slopes)) < 3 * np.std(slopes, ddof=1) / 5
    raw = [np.polyfit(images["log_wealth"], images["right"], 1)[0] for images in map(made, ["classes"] * 10)]
    assert np.mean(raw) > 0.01


def test_the_slope_that_was_put_in_is_there():
    slopes = [dummies(made("classes", slope=0.05, seed=seed)) for seed in range(25)]
    assert np.mean(slopes) == pytest.approx(0.05, abs=3 * np.std(slopes, ddof=1) / 5)
    for kind in ("chance", "all"):
        table, level, _ = audit_worlds.drawn(np.random.default_rng(0), kind, "even", 41, 2_000)
        likely = level + max(audit_worlds.SLOPES["even"]) * audit_worlds.away(table["log_wealth"])
        assert ((likely > 0) & (likely < 1)).mean() > 0.999  # nothing is cut off, so that the slope is what was put in


def dummies(images: pd.DataFrame) -> float:
    """The slope of right answers on log wealth, with a dummy for each class."""
    X = np.column_stack([images["log_wealth"], pd.get_dummies(images["class"]).to_numpy(float)])
    return float(np.linalg.lstsq(X, images["right"].to_numpy(float), rcond=None)[0][0])


def test_countries_scatter_by_as_much_as_is_said():
    """The variance of countries' accuracies over that of chance alone."""

    def variance(kind: str) -> pd.Series:
        tables = [made(kind, countries=8, images=8_000, seed=s).groupby("country")["right"].mean() for s in range(60)]
        return pd.DataFrame(tables).var()

    chance = variance("chance").mean()
    assert variance("countries").mean() - chance == pytest.approx(audit_worlds.COUNTRY_EFFECT**2, rel=0.3)
    scatter = variance("scatter") - chance
    assert scatter.iloc[0] == pytest.approx(audit_worlds.SCATTER[0] ** 2, rel=0.5)
    assert scatter.iloc[-1] < scatter.iloc[0] / 5


def test_images_of_a_household_share_their_luck():
    def correlation(kind: str) -> float:
        """Of the residuals of two images of a household, over many worlds."""
        pairs = []
        for seed in range(15):
            images = made(kind, seed=seed)
            images["away"] = images["right"] - images.groupby("class")["right"].transform("mean")
            away = images.groupby(["country", "cluster"])["away"].agg(["sum", "size", lambda a: (a**2).sum()])
            total, size, squares = away.to_numpy().T
            pairs.append([(total**2 - squares).sum() / (size * (size - 1)).sum(), squares.sum() / size.sum()])
        products, variance = np.mean(pairs, 0)
        return products / variance

    assert abs(correlation("chance")) < 0.02
    assert 0.05 < correlation("clusters") < audit_worlds.SHARED_LUCK**2 + 0.02
    assert made("clusters").groupby(["country", "cluster"]).size().mean() == pytest.approx(10, rel=0.05)


def test_even_shares_and_the_papers():
    even, paper = (made("chance", countries=41, shares=s)["country"].value_counts() for s in ("even", "paper"))
    assert even.max() < 100 < 800 < paper.max()


def test_two_models_share_images_and_differ_in_what_is_said():
    worlds = [audit_worlds.two_models(np.random.default_rng(s), "flatter", "even", 20, 2_000) for s in range(25)]
    first, second = ([dummies(table.assign(right=table[name])) for table in worlds] for name in ("right_a", "right_b"))
    assert np.mean(first) == pytest.approx(0.05, abs=0.01) and np.mean(second) == pytest.approx(0, abs=0.01)
    equal = [audit_worlds.two_models(np.random.default_rng(s), "equal", "even", 20, 2_000) for s in range(25)]
    gain = np.mean([table["right_b"].mean() - table["right_a"].mean() for table in equal])
    assert gain == pytest.approx(audit_worlds.MORE_ACCURATE, abs=0.01)
    agree = np.mean([(table["right_a"] == table["right_b"]).mean() for table in worlds])
    assert 0.7 < agree < 0.95


def test_the_outcome_is_that_which_the_audit_prints():
    """`judge`, on the whole report, says what was counted."""
    outcomes = []
    for seed, slope in ((0, 0.0), (1, 0.08), (2, 0.08)):
        images = made("chance", countries=8, slope=slope, seed=seed)
        counted = audit_worlds.verdict(images, slope)
        table = fairness.country_table(
            images["country"], images["right"], images.groupby("country")["log_wealth"].first()
        )
        report = audit.analyse(table.assign(name=table.index), worlds=20)
        judged = audit.judge(images, report)
        assert (judged["outcome"], judged["between"]["df"]) == (counted["outcome"], counted["freedom"])
        assert counted["raw"] == (report["slope"]["p"] < 0.05) and counted["within"] == (judged["between"]["p"] < 0.05)
        assert counted["covered"] == (judged["between"]["low"] <= slope <= judged["between"]["high"])
        outcomes.append(judged["outcome"])
    assert set(outcomes) == {"established", "not established"}


def test_a_units_counts_add_up(monkeypatch):
    monkeypatch.setattr(audit_worlds, "WORLDS", 12)
    unit = {"what": "verdict", "kind": "classes", "shares": "even", "countries": 20, "images": 2_000, "slope": 0.0}
    found = audit_worlds.run(**unit)
    rows = pd.DataFrame(found["rows"]).set_index("outcome")
    assert rows["worlds"].sum() == 12 == sum(row["worlds"] for row in found["freedom"])
    assert rows["raw"].sum() > 6 > rows["within"].sum() == sum(row["rejected"] for row in found["freedom"])
    assert found == audit_worlds.run(**unit)
    few = audit_worlds.run(**unit | {"kind": "all", "countries": 5, "images": 60})
    assert {row["outcome"] for row in few["rows"]} >= {"too few images to say"}
    both = audit_worlds.run(what="models", kind="flatter", shares="even", countries=20, images=2_000)
    assert sum(row["worlds"] for row in both["rows"]) == 12
    assert max(both["rows"], key=lambda row: row["worlds"])["outcome"] == "flatter"


def test_rates_are_read_from_records(house):
    unit = {"what": "verdict", "kind": "chance", "shares": "even", "countries": 8, "images": 2_000, "slope": 0.0}
    rows = [
        {"outcome": "established", "raw": 30, "within": 40, "covered": 0, "worlds": 40},
        {"outcome": "not established", "raw": 10, "within": 5, "covered": 755, "worlds": 760},
        {"outcome": "too few images to say", "raw": 5, "within": 15, "covered": 190, "worlds": 200},
    ]
    freedom = [{"above": 2, "worlds": 300, "rejected": 15}, {"above": 4, "worlds": 700, "rejected": 45}]
    write(unit, rows=rows, freedom=freedom)
    two = {"what": "models", "kind": "equal", "shares": "even", "countries": 8, "images": 2_000}
    rows = [
        {"outcome": "flatter", "covered": 0, "levelling_down": 3, "worlds": 20},
        {"outcome": "neither", "covered": 480, "levelling_down": 0, "worlds": 480},
        {"outcome": "steeper", "covered": 0, "levelling_down": 0, "worlds": 10},
    ]
    write(two, rows=rows)
    found = audit_worlds.rates("verdict").set_index("quantity")
    assert {name: (row["count"], row["of"]) for name, row in found.iterrows()} == {
        "too few": (200, 1_000), "covered": (945, 1_000), "established": (40, 800), "within": (45, 800),
        "anywhere": (60, 1_000), "raw": (45, 1_000),
    }  # fmt: skip
    row = found.loc["established"]
    assert (row["share"], row["low"], row["high"]) == pytest.approx((0.05, 0.0369, 0.0674), abs=1e-3)
    found = audit_worlds.rates("models").set_index("quantity")
    assert {name: (row["count"], row["of"]) for name, row in found.iterrows()} == {
        "too few": (0, 510), "covered": (480, 510), "different": (30, 510), "flatter": (20, 510),
        "levelling down": (3, 510),
    }  # fmt: skip
    by_freedom = audit_worlds.rejected_by_freedom()
    assert by_freedom[["count", "of"]].to_numpy().tolist() == [[15, 300], [45, 700]]
    assert by_freedom.index.tolist() == [2, 4]
