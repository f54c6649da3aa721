"""Table 1's units on images of 64 pixels, with a small classifier and a plain distance in the places of the large."""

import json

import pandas as pd
import pytest
from book.experiments.hand_made import squares

from fairlib import perceptual
from fairlib.book.experiments import table1


def unit(what: str, **more) -> list[dict]:
    arguments = {"what": what, "budget": "embedded", "first": 0, "images": 4} | more
    return json.loads(json.dumps(table1.run(**arguments), allow_nan=False))["rows"]


def test_a_shard_of_the_table(small):
    rows = pd.DataFrame(unit("table"))
    assert rows.groupby("image")["method"].agg(list).tolist() == 3 * [[*table1.METHODS, "none"]] + [["none"]]
    assert rows.groupby("image")["right"].all().tolist() == [True, True, True, False]
    attacked = rows[rows["right"] & (rows["method"] != "none")]
    columns = {*table1.NORMS, *table1.JUDGES, "saliency", "forwards", "backwards", "looks", "off_grid"}
    assert columns <= set(attacked) and attacked[list(columns)].notna().all(axis=None)
    assert attacked.query("method != 'ppgd' and method != 'lpa'")["off_grid"].max() < 1e-3
    assert (attacked["forwards"] >= attacked["backwards"]).all() and (attacked["backwards"] > 0).all()
    for column, settings in (("jpeg", table1.QUALITIES), ("bits", table1.BITS)):
        assert attacked[column].map(len).eq(len(settings)).all() and set(attacked[column].explode()) <= {0, 1}


def test_a_shard_of_the_stepping_attacks_succeeds_and_grows_with_a(small):
    rows = pd.DataFrame(unit("stepping")).query("right and method != 'none'")
    assert rows["success"].all()
    assert rows.groupby("method").size().to_dict() == dict.fromkeys(table1.STEPPING, 3)
    by_a = [rows[rows["method"] == f"ours_a={a}"].set_index("image") for a in (0, 1, 5)]
    assert (by_a[0]["L1"] <= by_a[1]["L1"]).all() and (by_a[1]["L1"] <= by_a[2]["L1"]).all()
    assert (by_a[2]["backwards"] > by_a[0]["backwards"]).any()
    # The features of the clean image once, and one look a step.
    assert (by_a[2]["looks"] == by_a[2]["backwards"] + 1).all()
    assert (by_a[2]["forwards"] == by_a[2]["backwards"] + 1).all()


def test_seven_bits_are_nearly_the_image(small):
    clean = pd.DataFrame(unit("table")).query("method == 'none' and right")
    assert clean["bits"].str[-1].eq(1).all() and clean["bits"].str[0].mean() < 1


def test_the_bounded_attacks_with_and_without_their_start(small):
    rows = pd.DataFrame(unit("start")).query("right")
    with_start = pd.DataFrame(unit("table")).query("right and method in ['ppgd', 'lpa']")
    L1, before = (r.pivot_table("L1", "image", "method") for r in (rows, with_start))
    assert (L1["noise"] / (3 * 64 * 64)).between(0.007, 0.009).all()  # 0.01 E|n|, less what clipping takes
    assert (L1["ppgd"] < before["ppgd"]).all() and (L1["lpa"] != before["lpa"]).all()


def test_the_roundings(small):
    rows = pd.DataFrame(unit("rounding")).query("right")
    assert rows.groupby(["method", "quantise"]).size().eq(3).all() and len(rows) == 3 * 4 * 3
    assert rows["off_grid"].max() < 1e-3
    assert {"L1", "L2", "Linf", "steps", "success"} <= set(rows)


def test_the_sweep_over_lambda(small):
    rows = pd.DataFrame(unit("lambda")).query("right")
    assert set(rows["lam"]) == set(table1.LAMBDAS) and set(rows["method"]) == {"ours_a=0", "ours_a=5"}
    assert (rows["cost_before"] == 0).all() and (rows["loss"] > rows["loss_before"]).any()
    lightest, heaviest = (rows[rows["lam"] == lam]["cost"].mean() for lam in (0.0, table1.LAMBDAS[-1]))
    assert heaviest <= lightest


def test_shards_join(small):
    whole = unit("rounding")
    parts = unit("rounding", images=2) + unit("rounding", first=2, images=2)
    assert parts == whole


def test_units_cover_the_images():
    def attacked(profile, *what):
        found = [u for u in table1.units(profile) if u["what"] in what]
        assert all(u["budget"] == profile for u in found)
        return [i for u in found for i in range(u["first"], u["first"] + u["images"])]

    assert attacked("embedded", "table", "stepping") == list(range(240))
    assert attacked("embedded", "table") == list(range(60)) and attacked("paper", "table") == list(range(1000))
    for profile in table1.SHARDS:
        assert {u["what"] for u in table1.units(profile)} | {"stepping"} == set(table1.KINDS)
        for what in ("rounding", "start", "lambda"):
            few = attacked(profile, what)
            assert few == list(range(len(few))) and set(few) <= set(attacked(profile, "table"))
    with pytest.raises(ValueError, match="profile is 'huge', expected one of"):
        table1.units("huge")


def test_without_images_it_says_so(monkeypatch, small):
    monkeypatch.delenv("FAIRLIB_IMAGES")
    with pytest.raises(FileNotFoundError, match="FAIRLIB_IMAGES is not set; let it name a folder"):
        unit("stepping")
    monkeypatch.setenv("FAIRLIB_IMAGES", "photographs")
    with pytest.raises(ValueError, match="photographs holds 4 images, expected 6 or more"):
        unit("stepping", first=2)
    with pytest.raises(ValueError, match="what is 'all', expected one of: table, stepping"):
        unit("all")


def test_the_substitute_stands_in_for_pieapp_alone(monkeypatch, small):
    def missing(name):
        if name == "PieAPP":
            raise FileNotFoundError("PieAPP's weights are missing")
        return squares(name)

    assert table1.ground_cost("paper").name == "PieAPP" and table1.ground_cost("embedded").name == table1.SUBSTITUTE
    monkeypatch.setattr(perceptual, "distance", missing)
    assert table1.ground_cost("paper").name == table1.SUBSTITUTE
    assert table1.SUBSTITUTE not in table1.JUDGES.values() and "PieAPP" not in table1.JUDGES.values()
