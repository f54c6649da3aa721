"""Yardsticks: as many steps as Algorithm 3, counts that are counted again, worlds whose shortcut is known."""

import json

import numpy as np
import pytest
import torch

from fairlib import attacks, dro, fairness, geography, perceptual
from fairlib.book import plots, runner, units
from fairlib.book.experiments import bias_metric, fairer, frontier, yardsticks


@pytest.fixture(scope="module")
def test_world():
    return yardsticks.held_out_world(0)


def test_units():
    worlds = {"embedded": [(w, 0) for w in range(5)], "paper": [*((w, 0) for w in range(5)), (0, 1), (1, 1)]}
    for profile, expected in worlds.items():
        listed = [u.arguments for u in units.of("yardsticks", profile)]
        assert [(u["world"], u["start"]) for u in listed] == expected
    with pytest.raises(ValueError, match="profile is 'quick'"):
        yardsticks.units("quick")
    assert set(yardsticks.POINTS) <= set(frontier.POINTS) and yardsticks.LAST == (fairer.ALPHA, fairer.T2)
    assert set(plots.METHODS) == {*yardsticks.ARMS} - {"start"}


def test_a_yardstick_takes_as_many_steps_as_algorithm_3(start):
    """Plain fine-tuning is `fairer`'s: the same images, as many rounds, and the same weights but for sums."""
    world = geography.world("train", fairer.IMAGES, seed=0)
    x, y = world.x[:40], world.y[:40]
    mine = yardsticks.yardstick(start, x, y, dro.plain, None, yardsticks.LAST, 7)
    assert len(mine) == yardsticks.MODELS
    data = dro.WeightedImages(x, y, torch.ones(40, dtype=torch.float64))
    for seed, one in zip((8, 9), mine, strict=True):
        other = dro.train(start, data, lr=fairer.ALPHA, seed=seed, rounds=fairer.T2 * (fairer.T1 + 1))
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_further_start_model_has_draws_of_its_own(monkeypatch):
    for name, value in {"IMAGES": 200, "EPOCHS": 1}.items():
        monkeypatch.setattr(bias_metric, name, value)
    one, again, other, bare = (
        yardsticks.start_model(0, s, shortcut=c) for s, c in ((1, True), (1, True), (0, True), (1, False))
    )
    assert torch.equal(one.fc3.weight, again.fc3.weight)
    assert not torch.equal(one.fc3.weight, other.fc3.weight) and not torch.equal(one.fc3.weight, bare.fc3.weight)
    assert torch.equal(other.fc3.weight, bias_metric.trained(0).fc3.weight)


def test_thirds_are_those_of_the_chapter_before(test_world):
    found = yardsticks.thirds(test_world)
    groups = fairer.groups(test_world)
    for i, name in enumerate(fairness.THIRDS):
        assert torch.equal(found == i, groups[name])


def test_what_is_told_of_right_answers(start, test_world):
    right = fairer.right(start, test_world.x, test_world.y)
    n = np.array(fairer.by_country(torch.ones_like(right), test_world.country))
    found = yardsticks.told(np.array(fairer.by_country(right, test_world.country)), n)
    table = fairness.country_table(test_world.codes, right.numpy(), test_world.table["log_gdp"])
    assert found["slope"] == pytest.approx(fairness.slope(table).slope)
    shares = {name: right[own].double().mean().item() for name, own in fairer.groups(test_world).items()}
    assert found["accuracy"] == pytest.approx(shares["all"]) and found["poorest"] == pytest.approx(
        shares["poorest third"]
    )
    assert found["gap"] == pytest.approx(shares["richest third"] - shares["poorest third"])


def test_without_the_shortcut_no_slope_is_left(start):
    """The oracle by the worlds' known shortcut: the same model and images, and only the stamps are gone."""
    slopes = {}
    for shortcut in (True, False):
        world = geography.world("test", fairer.IMAGES, seed=0, shortcut=shortcut)
        right = fairer.right(start, world.x, world.y).numpy()
        slopes[shortcut] = fairness.slope(fairness.country_table(world.codes, right, world.table["log_gdp"]))
    assert slopes[True].low > 0.01 and abs(slopes[False].slope) < 0.01 and slopes[False].low < 0


def test_served_is_counted_again(start, test_world, monkeypatch):
    monkeypatch.setattr(yardsticks, "PERMUTATIONS", 9)
    found = yardsticks.served([start, start], test_world)
    assert json.loads(json.dumps(found)) == found
    right, third = fairer.right(start, test_world.x, test_world.y), yardsticks.thirds(test_world)
    assert found["hits"][2][7] == 2 * int((right & (third == 2) & (test_world.y == 7)).sum())
    n = np.bincount(test_world.country)
    assert found["worst"][0] == pytest.approx(min(fairer.by_country(right, test_world.country) / n), abs=1e-4)
    share = np.array([[(right & (third == g))[test_world.y == k].sum() / ((third == g) & (test_world.y == k)).sum()
                       for k in range(10)] for g in range(3)])  # fmt: skip
    assert found["odds"][0] == pytest.approx(np.ptp(share, axis=0).max(), abs=1e-4)  # here the larger of the two rates


def test_resisted_is_counted_again(start, test_world, monkeypatch):
    monkeypatch.setattr(yardsticks, "HELD_OUT", 12)
    found = yardsticks.resisted(start, test_world)
    x, y = test_world.x[:12], test_world.y[:12]
    right = fairer.right(start, x, y)
    x_adv = attacks.ssim_step(start, x, y, length=fairer.SSIM_LENGTH)
    assert found["known"] == right.sum()
    assert found["turned"]["ssim"] == (right & ~fairer.right(start, x_adv, y)).sum()
    cost = perceptual.distance("SSIM")
    here = yardsticks.surrogate(start, x, x, y, cost)
    torch.testing.assert_close(here, attacks.cross_entropy(start(x), y).detach(), atol=1e-5, rtol=1e-4)
    assert found["phi"][0] == pytest.approx(here.mean().item(), abs=1e-3) and found["phi"][1] > found["phi"][0]


def test_the_records_have_every_arm_and_the_rules_read_them():
    found = yardsticks.measured()
    for _, unit in found.groupby(["world", "start"]):
        assert set(unit["arm"]) == set(yardsticks.ARMS)
    rows = runner.results("yardsticks")
    assert set(rows["share"].dropna()) <= set(yardsticks.SHARES) and set(rows["eps"].dropna()) <= set(yardsticks.STRONG)
    wide = yardsticks.by_world(found, "slope")
    assert len(wide) == 5 and list(wide) == list(yardsticks.ARMS)
    less = yardsticks.over_worlds(wide, "start")
    assert less.loc["ours", "value"] == pytest.approx((wide["ours"] - wide["start"]).mean())
    both = found.query("world == 0 and arm == 'ours' and rounds == 3")["slope"]
    assert wide.loc[0, "ours"] == pytest.approx(both.mean())
