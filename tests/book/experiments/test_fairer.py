"""Fairer: what a unit counts, that nobody looks at the truth before the end, and estimates from hand-made records."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fairlib import attacks, dro, fairness, geography, runtime
from fairlib.book import claims, units
from fairlib.book.experiments import fairer
from fairlib.dro import algorithm2, algorithm3

SIZE = {"seed": 0, "images": 40, "models": 3}


@pytest.fixture
def few(monkeypatch):
    """A world of few images, and quick attacks."""
    monkeypatch.setattr(fairer, "IMAGES", 300)
    quick = partial(attacks.pgd, eps=0.05, step_size=0.05, iterations=1)
    monkeypatch.setitem(fairer.ARMS, "pgd", lambda generator: quick)
    fairer.held_out.cache_clear()
    yield
    fairer.held_out.cache_clear()


def bits(models) -> list[bytes]:
    return [b"".join(p.detach().numpy().tobytes() for p in model.parameters()) for model in models]


@pytest.mark.parametrize("arm", ["plain", "noise", "pgd"])
def test_a_unit_counts_what_its_models_get_right(start, few, arm):
    rows = fairer.run(arm=arm, **SIZE)["rows"]
    world = geography.world("test", 300, seed=fairer.WORLD)
    models = fairer.arm_models(start, arm, **SIZE)
    with torch.no_grad():
        right = torch.stack([model(world.x).argmax(1) == world.y for model in models])
        before = start(world.x).argmax(1) == world.y
    for i, (model, row) in enumerate(zip(right, rows, strict=False)):
        counts = pd.Series(model.numpy()).groupby(world.country.numpy()).sum()
        assert row == {"model": i, "right": counts.reindex(range(geography.COUNTRIES), fill_value=0).tolist()}
    gained = right.double().mean(0) - before.double()
    found = {row["group"]: row for row in rows[3:]}
    expected = {"all": gained, "stamped": gained[world.stamped], "not stamped": gained[~world.stamped]}
    poorest = world.table["log_gdp"].nsmallest(14).index
    expected["poorest third"] = gained[torch.tensor(np.isin(world.codes, poorest))]
    for group, values in expected.items():
        assert found[group]["value"] == pytest.approx(values.mean().item(), abs=1e-6)
        assert found[group]["n"] == len(values)
        if values.std() > 0:
            low, high = stats.t.interval(0.95, len(values) - 1, values.mean().item(), stats.sem(values))
            assert (found[group]["low"], found[group]["high"]) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("arm", [arm for arm, attack in fairer.ARMS.items() if attack])
def test_every_arm_attacks_grey_images(start, arm):
    world = geography.world("train", 40, seed=fairer.WORLD)
    before = fairer.right(start, world.x, world.y)
    one, again = (fairer.ARMS[arm](runtime.generator(0))(start, world.x, world.y) for _ in range(2))
    assert torch.equal(one, again) and one.shape == world.x.shape
    assert one.min() >= 0 and one.max() <= 1
    assert (one != world.x)[before].any()
    if arm != "noise":
        assert torch.equal(one[~before], world.x[~before])
        assert (before & ~fairer.right(start, one, world.y)).sum() > 0.2 * before.sum()


def test_the_start_model_is_a_row_of_its_own(start, few):
    (row,) = fairer.run(arm="start", seed=0, images=300, models=1)["rows"]
    world = geography.world("test", 300, seed=fairer.WORLD)
    with torch.no_grad():
        right = (start(world.x).argmax(1) == world.y).numpy()
    table = fairness.country_table(world.codes, right, world.table["log_gdp"])
    found = fairer.table(row["right"])
    pd.testing.assert_frame_equal(found, table[found.columns], check_dtype=False)


def test_the_groups_share_out_the_images():
    world = geography.world("test", 2_000, seed=0)
    groups = fairer.groups(world)
    thirds = [groups[f"{name} third"] for name in ("poorest", "middle", "richest")]
    assert (torch.stack(thirds).sum(0) == 1).all()
    wealth = torch.tensor(world.table["log_gdp"].to_numpy())[world.country]
    assert wealth[thirds[0]].max() < wealth[thirds[1]].min() and wealth[thirds[1]].max() < wealth[thirds[2]].min()
    assert [len(set(world.country[third].tolist())) for third in thirds] == [14, 14, 13]
    assert (groups["stamped"] ^ groups["not stamped"]).all() and groups["all"].all()


@pytest.mark.parametrize("arm", ["plain", "pgd"])
def test_no_model_is_trained_on_the_truth(start, few, monkeypatch, arm):
    """The models are the same where the world's answers, and the countries, are others."""
    expected = bits(fairer.arm_models(start, arm, **SIZE))
    world = geography.world

    def lying(*args, **options):
        found = world(*args, **options)
        return replace(found, stamped=~found.stamped, country=found.country.flip(0))

    monkeypatch.setattr(geography, "world", lying)
    assert bits(fairer.arm_models(start, arm, **SIZE)) == expected


def test_every_draw_is_its_own(start, few):
    """Same unit, same bits; another seed of Algorithm 2, another arm: other bits in every model."""
    again, one = (bits(fairer.arm_models(start, "pgd", **SIZE)) for _ in range(2))
    assert again == one
    other = bits(fairer.arm_models(start, "pgd", **SIZE | {"seed": 1}))
    noise = bits(fairer.arm_models(start, "noise", **SIZE))
    assert len({*one, *other, *noise}) == 9


def test_the_draws_of_no_two_units_overlap(start, monkeypatch):
    """Seeds of Algorithm 2 and of every model, over all units of both profiles."""
    seen = []

    def made(model, x, y, *, generator, **options):
        seen.append(generator.initial_seed())
        return dro.WeightedImages(x[:1], y[:1], torch.ones(1))

    monkeypatch.setattr(fairer.dro, "adversarial_data", made)
    monkeypatch.setattr(fairer.dro, "train_many", lambda model, rob, *, seeds, **options: seen.extend(seeds) or [])
    monkeypatch.setattr(fairer, "ARMS", {arm: (lambda generator: None) for arm in fairer.ARMS})
    world = geography.world("train", 10, seed=0)
    monkeypatch.setattr(geography, "world", lambda *args, **options: world)
    listed = [u.arguments for u in units.of("fairer", "paper") if u.arguments["arm"] != "start"]
    for unit in listed:
        fairer.arm_models(start, **unit)
    assert len(seen) == len(set(seen)) == sum(unit["models"] + 1 for unit in listed)


def test_all_arms_make_as_many_steps(start, few, monkeypatch):
    taken = []

    def step(theta, x, y, step_weights, lr, where, *, models=1):
        taken.append((len(x), lr, where.split()[0]))

    for algorithm in (algorithm2, algorithm3):
        monkeypatch.setattr(algorithm, "descend", step)
    for arm in ("plain", "noise", "pgd"):
        taken.clear()
        fairer.arm_models(start, arm, **SIZE)
        trained = [n for n, _, where in taken if where == "round"]
        assert sum(trained) == SIZE["models"] * fairer.T2 * (fairer.T1 + 1) * SIZE["images"]
        assert {lr for _, lr, _ in taken} == {fairer.ALPHA}


@pytest.mark.parametrize("profile", ["embedded", "paper"])
def test_units_name_their_work_once(profile):
    listed = units.of("fairer", profile)
    assert len({unit.name for unit in listed}) == len(listed)
    arms = pd.DataFrame([unit.arguments for unit in listed])
    assert set(arms["arm"]) == {"start", *fairer.ARMS}
    sets = arms.groupby("arm")["seed"].nunique()
    assert (sets[list(fairer.ADVERSARIAL)] >= 8).all()
    first = arms.query("seed == 0 and arm in @fairer.ADVERSARIAL or arm == 'plain' or arm == 'noise'")
    assert (first["models"] == 50).all()


def test_an_unknown_arm_and_an_unknown_profile_are_refused(start, few):
    with pytest.raises(ValueError, match="profile is 'big', expected one of: embedded, paper"):
        fairer.units("big")
    with pytest.raises(ValueError, match="arm is 'rich', expected one of: plain, noise, pgd"):
        fairer.arm_models(start, "rich", **SIZE)


# --- From the records. ------------------------------------------------------------------------------------------------


def write(arm: str, seed: int, rights: list[list[int]], groups: dict | None = None) -> None:
    (arguments,) = [
        u.arguments for u in units.of("fairer", "embedded") if (u.arguments["arm"], u.arguments["seed"]) == (arm, seed)
    ]
    rows = [{"model": i, "right": right} for i, right in enumerate(rights)]
    rows += [{"group": group, **numbers} for group, numbers in (groups or {}).items()]
    unit = units.Unit("fairer", arguments)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(json.dumps({"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}))


def world_of(slope: float, luck: int = 0) -> list[int]:
    """Right answers by country that lie on a line, but for one image of the largest country for each `luck`."""
    n = fairer.held_out()["n"].to_numpy()
    g = fairer.held_out()["log_gdp"].to_numpy()
    right = np.round(n * (0.8 + slope * (g - g.mean()))).astype(int)
    right[n.argmax()] += luck
    return right.tolist()


def gls(right: list[int]) -> float:
    """The paper's slope, in numpy: weights sqrt(n)."""
    n, g = (fairer.held_out()[c].to_numpy() for c in ("n", "log_gdp"))
    X = np.stack([np.ones_like(g), g], 1)
    w = np.sqrt(n)
    return abs(np.linalg.solve(X.T * w @ X, X.T * w @ (np.array(right) / n))[1])


def test_estimates_from_hand_made_records(house):
    gentle = {"start": 0.03, "pgd": 0.02, "perc": 0.015, "ours": 0.01}
    rights = {("start", 0): [world_of(0.03)]}
    for arm in ("pgd", "perc", "ours"):
        for seed in range(8):
            rights[arm, seed] = [world_of(gentle[arm] + 0.001 * seed, luck=k) for k in range(6)]
    poor = {"poorest third": {"value": -0.02, "low": -0.03, "high": -0.01, "n": 700}}
    for (arm, seed), found in rights.items():
        write(arm, seed, found, poor if arm == "ours" else None)
    slopes = {key: np.array([gls(right) for right in found]) for key, found in rights.items()}
    read = fairer.slopes()
    for key, expected in slopes.items():
        assert read.set_index(["arm", "seed"]).loc[[key], "slope"].to_numpy() == pytest.approx(expected)
    assert read.query("arm == 'start'")["accuracy"].item() == pytest.approx(sum(rights["start", 0][0]) / fairer.IMAGES)
    found = fairer.estimates()
    assert claims.asked("fairer") - set(found) == {f"slope/equal_accuracy/{arm}_minus_ours" for arm in ("pgd", "perc")}
    assert set(found) < claims.asked("fairer")
    assert all(claims.Estimate(**estimate) for estimate in found.values())
    assert {e["units"] for e in found.values()} == {1}
    by = {arm: np.array([slopes[arm, s].mean() for s in range(8)]) for arm in ("pgd", "perc", "ours")}
    for arm in ("pgd", "perc"):
        models, sets, drawn = (found[f"slope/{kind}{arm}_minus_ours"] for kind in ("models/", "drob/", ""))
        ci = stats.ttest_ind(slopes[arm, 0], slopes["ours", 0], equal_var=False).confidence_interval()
        gap = slopes[arm, 0].mean() - slopes["ours", 0].mean()
        assert (models["value"], models["low"], models["high"]) == pytest.approx((gap, *ci))
        ci = stats.ttest_ind(by[arm], by["ours"], equal_var=False).confidence_interval()
        assert (sets["value"], sets["low"], sets["high"]) == pytest.approx((by[arm].mean() - by["ours"].mean(), *ci))
        assert drawn["value"] == pytest.approx(sets["value"]) and drawn["low"] < drawn["value"] < drawn["high"]
        assert sets["high"] - sets["low"] > 5 * (models["high"] - models["low"])
    assert found["slope/margin/ours"]["value"] == found["slope/perc_minus_ours"]["value"]
    assert found["slope/start_minus_ours"]["value"] == pytest.approx(slopes["start", 0][0] - by["ours"].mean())
    poor = fairer.held_out().index.isin(fairer.poorest_countries())
    n = fairer.held_out()["n"].to_numpy()[poor].sum()
    right = {arm: np.mean([np.array(r)[poor].sum() for (a, _), all_ in rights.items() if a == arm for r in all_]) / n
             for arm in ("start", "ours")}  # fmt: skip
    gained = found["poor_accuracy/ours_minus_start"]
    assert gained["value"] == pytest.approx(right["ours"] - right["start"]) and len(fairer.poorest_countries()) == 14
    assert fairer.summary().loc["ours", "poorest"] == pytest.approx(right["ours"])


def test_slopes_are_compared_at_one_accuracy(house):
    """Lines from the start model down: at the same accuracy PGD's slope is larger by what was put in."""
    write("start", 0, [world_of(0.03)])
    for unit in units.of("frontier", "embedded"):
        steep = {"pgd": 0.02, "perc": 0.015, "ours": 0.01}[unit.arguments["arm"]] + 0.001 * unit.arguments["seed"]
        fewer = [round(0.9 * right) for right in world_of(steep)]
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"alpha": 0.01, "rounds": 1, "model": i, "right": fewer} for i in range(2)]
        record = {"arguments": unit.arguments, "source": "", "provenance": {}, "result": {"rows": rows}}
        unit.path.write_text(json.dumps(record))
    found = fairer.frontier()
    assert len(found) == 2 * 9 and (found.query("rounds == 0")["slope"].nunique(), found["alpha"].nunique()) == (1, 2)
    top, low = found.query("rounds == 0")["accuracy"].iloc[0], found.query("rounds == 1")["accuracy"].max()
    at = fairer.at_accuracy(found, accuracy=(top + low) / 2)
    middle = {arm: found.query("arm == @arm")["slope"].to_numpy() for arm in at}
    for arm, values in at.items():
        assert len(values) == 3 and (middle[arm].min() < values).all() and (values < middle[arm].max()).all()
    assert at["pgd"].mean() > at["perc"].mean() > at["ours"].mean()
    assert all(len(values) == 0 for values in fairer.at_accuracy(found, accuracy=0.1).values())
    assert fairer.early(found) == {}  # the poor only lose here


def test_the_flattest_point_at_which_the_poor_gain():
    """Of three points the last is flatter, but its poor lose; of the first, one data set's do."""
    points = {0.1: (0.020, [0.88, 0.87, 0.84]), 0.2: (0.018, [0.88, 0.87, 0.88]), 0.3: (0.010, [0.80, 0.81, 0.80])}
    rows = [{"arm": "ours", "alpha": 0.0, "rounds": 0, "slope": 0.03, "poorest": 0.86}]
    rows += [
        {"arm": arm, "alpha": alpha, "rounds": 1, "slope": slope - shift, "poorest": value}
        for alpha, (slope, values) in points.items()
        for value in values
        for arm, shift in (("ours", 0), ("pgd", 0.005))
    ]
    point = fairer.early(pd.DataFrame(rows))
    assert (point["alpha"], point["rounds"]) == (0.2, 1)
    assert (point["slope"]["value"], point["poorest"]["value"]) == pytest.approx((0.018, 0.8766667))


def test_of_two_profiles_the_one_with_more_images_counts(house):
    for profile, right in (("embedded", world_of(0.03)), ("paper", world_of(0.01))):
        (unit,) = [u for u in units.of("fairer", profile) if u.arguments["arm"] == "noise"]
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"model": 0, "right": right}]
        record = {"arguments": unit.arguments, "source": "", "provenance": {}, "result": {"rows": rows}}
        unit.path.write_text(json.dumps(record))
    assert fairer.slopes()["slope"].tolist() == pytest.approx([gls(world_of(0.01))])
