"""Table 1's units on images of 64 pixels, and what the chapters on it make of hand-made records."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import texture
from torch import nn

from fairlib import files, runtime
from fairlib.book import claims, runner
from fairlib.book.experiments import perceptual_attack, table1, truncation
from fairlib.perceptual import Distance

PUBLISHED = {  # table 1 of the paper, typed once more
    "perc_al": (1, 633.12, 2.22, 0.085, 33.96, 33.82),
    "pgd": (1, 592.74, 1.56, 0.005, 7.82, 8.77),
    "ppgd": (0.9575, 2544.21, 6.60, 0.115, 81.57, 51.08),
    "lpa": (0.9978, 2157.77, 5.31, 0.049, 51.64, 35.92),
    "ours_a=0": (1, 783.86, 1.91, 0.006, 7.30, 8.17),
    "ours_a=1": (1, 1965.10, 4.45, 0.014, 22.24, 21.47),
    "ours_a=5": (1, 3925.55, 8.53, 0.029, 44.89, 40.05),
}


# --- Units, with a small classifier and a plain distance in the places of the large ones. ---


class Small(nn.Module):
    """Three classes of a random linear map of a coarse image: smooth, and fooled within a few steps."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randn(3, 3 * 64, generator=runtime.generator(0)) * 2

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, 8).flatten(1) @ self.weight.T


def squares(name: str) -> Distance:
    def between(features, x_adv):
        return (x_adv - features[0]).square().mean((1, 2, 3))

    return Distance(name, smallest=1, features=lambda x: (x,), between=between)


@pytest.fixture
def small(monkeypatch, one_thread):
    """The classifier; the images that it gets right but for the last one."""
    model, x = Small().eval(), (255 * texture(4, 64, seed=7)).round() / 255
    y = model(x).argmax(1)
    y[3] = (y[3] + 1) % 3
    monkeypatch.setenv("FAIRLIB_IMAGES", "photographs")
    monkeypatch.setattr(table1.data, "photographs", lambda folder, size: (x, y), raising=False)
    monkeypatch.setattr(table1.models, "pretrained", lambda name: model, raising=False)
    monkeypatch.setattr(table1.perceptual, "distance", squares)
    monkeypatch.setitem(table1.PERC_AL_N, "embedded", 20)
    return model


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
    monkeypatch.setattr(table1.perceptual, "distance", missing)
    assert table1.ground_cost("paper").name == table1.SUBSTITUTE
    assert table1.SUBSTITUTE not in table1.JUDGES.values() and "PieAPP" not in table1.JUDGES.values()


# --- Estimates. ---


def write(rows: list[dict], what: str, budget: str = "embedded") -> None:
    shard = table1.SHARDS[budget][what]
    unit = runner.Unit("table1", {"what": what, "budget": budget, "first": shard.start, "images": shard.step})
    result = {"cost": "LPIPS-Alex", "rows": rows}
    with files.replacing(unit.path) as partial:
        partial.write_text(json.dumps(
            {"arguments": unit.arguments, "source": "s", "provenance": {}, "result": result}, allow_nan=False
        ))  # fmt: skip


HEIGHT = {"pgd": 2.0, "ours_a=0": 1.0, "ours_a=1": 3.0, "ours_a=5": 6.0, "perc_al": 4.0, "ppgd": 7.0, "lpa": 5.0}


def made(method: str, image: int, success: bool = True) -> dict:
    """Every column of a method is its height plus a tenth of the image's number."""
    value = HEIGHT[method] + image / 10
    columns = dict.fromkeys((*table1.NORMS, *table1.JUDGES, "saliency"), value)
    return {"image": image, "right": True, "method": method, "success": success, "off_grid": 1e-5} | columns


def write_all() -> None:
    table = [made(m, i, success=(m, i) != ("ppgd", 3)) for m in table1.METHODS for i in range(4)]
    table += [{"image": 4, "right": False, "method": "none"}, {"image": 0, "right": True, "method": "none"}]
    stepping = [made(m, 60) for m in table1.STEPPING] + [{"image": 61, "right": False, "method": "none"}]
    sweep = [
        {"image": i, "right": True, "method": "ours_a=0", "lam": lam, "success": (lam, i) != (1.0, 2)}
        | {"LPIPS": 7 - lam / 2 + i, "DISTS": 8 + lam, "steps": 2}
        | {"loss": 5.0 + i, "loss_before": 1.0, "cost": 0.5, "cost_before": 0.25}
        for lam in (0.0, 1.0)
        for i in range(3)
    ]
    write(table, "table")
    write(stepping, "stepping")
    write(sweep, "lambda")


def test_estimates_from_records(house):
    write_all()
    found = table1.estimates()
    value = {key: e["value"] for key, e in found.items()}
    assert value["ppgd/success"] == 0.75 and value["pgd/success"] == 1
    assert found["ppgd/success"]["n"] == 4 and found["ppgd/L1"]["n"] == 3
    assert value["pgd/LPIPS"] == pytest.approx(2 + (0 + 1 + 2 + 3 + 60) / 50) and found["pgd/LPIPS"]["n"] == 5
    assert value["ppgd/LPIPS"] == pytest.approx(7.1)
    assert value["ours_a=0_minus_pgd/L1"] == pytest.approx(-1)
    assert value["ours_a=5_minus_ppgd/DISTS"] == pytest.approx(-1) and found["ours_a=5_minus_ppgd/DISTS"]["n"] == 3
    assert value["margin/ours_a=0/ST-LPIPS"] == pytest.approx(1) and found["margin/ours_a=0/saliency"]["n"] == 3
    assert value["margin/pgd/L2"] == pytest.approx(-1)


def test_the_ledger_takes_every_quantity(house):
    """What the modules give is what the claims ask for, no more and no less."""
    write_all()
    for chapter, module in (("table1", table1), ("truncation", truncation), ("perceptual_attack", perceptual_attack)):
        found = {key: claims.Estimate(**fields) for key, fields in module.estimates().items()}
        claims.record(chapter, found, {})
        asked = {c.quantity for c in claims.load("hua") if c.chapter == chapter} - {None}
        assert asked == set(found)


def test_the_papers_budget_takes_the_place_of_the_other(house):
    write_all()
    write([made("pgd", i) | {"L1": 100.0} for i in range(20)], "table", "paper")
    rows = table1.attacked_rows()
    assert set(rows["method"]) == {"pgd"} and (rows["L1"] == 100).all() and len(rows) == 20


def test_missing_records_are_named(house):
    with pytest.raises(FileNotFoundError, match="run `make reproduce ONLY=table1/`"):
        table1.estimates()
    write([made("pgd", 0)], "table")
    with pytest.raises(FileNotFoundError, match="of the kind stepping; run `make reproduce ONLY=table1/`"):
        table1.estimates()


def test_published_is_the_printed_table():
    found = table1.published()
    assert {m: tuple(row) for m, row in found.iterrows()} == PUBLISHED
    assert tuple(found.columns) == ("success", "L1", "L2", "Linf", "LPIPS", "DISTS")


# --- Truncation. ---


def test_the_walk_is_what_floor_does():
    """Simulated: k times each value goes down one level or stays, with even chance."""
    g = np.random.default_rng(0)
    for k in (1, 3, 9):
        lowered = g.binomial(k, 0.5, size=truncation.VALUES) / 255
        found = truncation.walk(lowered.sum())
        assert found["steps"] == pytest.approx(k, rel=0.01)
        assert found["L2"] == pytest.approx((lowered**2).sum() ** 0.5, rel=0.01)
        assert found["Linf"] == pytest.approx(lowered.max(), rel=0.01)


def test_the_walk_from_the_printed_L1():
    """By hand: PGD's 592.74 is k = 1.1271 steps."""
    k = 592.74 * 510 / (3 * 299 * 299)
    found = truncation.walk(592.74)
    assert found["L2"] == pytest.approx(math.sqrt(268203 * (k * k / 4 + k / 4)) / 255)
    assert (round(found["L2"], 2), round(found["Linf"], 4)) == (1.57, 0.0044)


def test_truncation_estimates(house):
    write_all()
    found = truncation.estimates()
    assert found["levels_off_grid"] | {"anchor": 0} == {
        "value": 1e-5, "low": 1e-5, "high": 1e-5, "n": 20, "record": "results/table1", "anchor": 0,
    }  # fmt: skip
    e = found["floor_from_L1/ours_a=5/L2"]
    assert e["low"] < e["value"] < e["high"] < e["low"] + 1e-3


# --- The duality, and lambda. ---


def test_primal_and_dual_agree():
    g = np.random.default_rng(1)
    for _ in range(20):
        n, m = g.integers(1, 5), g.integers(2, 8)
        places = g.normal(size=(m, 2))
        loss, cost = g.normal(size=m), ((places[:n, None] - places[None]) ** 2).sum(-1)
        for delta in (0.0, 0.1, 1.0, 20.0):
            best, plan = perceptual_attack.primal(loss, cost, delta)
            value, lam = perceptual_attack.dual(loss, cost, delta)
            assert value == pytest.approx(best, abs=1e-6) and lam >= 0
            np.testing.assert_allclose(plan.sum(1), 1 / min(n, m))
            assert (plan * cost[: len(plan)]).sum() <= delta + 1e-9
    assert abs(perceptual_attack.gap()) < 1e-6


def test_the_ends_of_the_duality():
    """With nothing to spend it is the mean loss; with enough, the largest loss anywhere, and lambda is 0."""
    _, loss, cost = perceptual_attack.example()
    data = cost.argmin(1)
    assert perceptual_attack.dual(loss, cost, 0.0)[0] == pytest.approx(loss[data].mean(), abs=1e-6)
    assert perceptual_attack.dual(loss, cost, 10.0) == pytest.approx((loss.max(), 0), abs=1e-6)
    with pytest.raises(ValueError, match="no distribution lies within delta = -1"):
        perceptual_attack.primal(loss, cost, -1.0)


def test_the_surrogate_is_a_maximum_over_the_space():
    loss, cost = np.array([0.0, 1.0, 5.0]), np.array([[0.0, 1.0, 4.0]])
    assert [perceptual_attack.surrogate(loss, cost, lam)[0] for lam in (0, 1, 2)] == [5, 1, 0]


def test_lambda_estimates(house):
    write_all()
    found = perceptual_attack.estimates()
    value = {key: e["value"] for key, e in found.items()}
    assert value["lambda=1_minus_lambda=0/LPIPS"] == -0.5 and value["lambda=1_minus_lambda=0/DISTS"] == 1
    assert found["lambda=1_minus_lambda=0/LPIPS"]["n"] == 2  # the third image is not attacked with lambda = 1
    assert value["surrogate_increase/lambda=1"] == pytest.approx(5 - 0.25)
    assert value["success/N=100"] == 1
    assert value["duality/gap"] == pytest.approx(0, abs=1e-6)


def test_pieapp_takes_64_pixels():
    assert perceptual_attack.smallest_pieapp() == 64
