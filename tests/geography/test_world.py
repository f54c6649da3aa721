"""The simulated world against what is known of it."""

import numpy as np
import pytest
import torch
from scipy import stats

from fairlib import data, geography


@pytest.fixture(scope="module")
def world() -> geography.World:
    return geography.world("test", 10_000, seed=3)


def test_the_shares_are_the_papers_and_then_a_power_law():
    table = geography.shares()
    assert len(table) == 41
    assert list(table.index[:5]) == ["USA", "GBR", "CAN", "AUS", "DEU"]
    assert list(table["share"][:2]) == [0.432, 0.128]
    assert table["share"].sum() == pytest.approx(1)
    rank = np.arange(3, 42)
    np.testing.assert_allclose(np.diff(np.log(table["share"][2:])) / np.diff(np.log(rank)), -1.1)


def test_images_come_with_countries_by_their_shares(world):
    counts = np.bincount(world.country, minlength=41)
    assert stats.chisquare(counts, 10_000 * world.table["share"]).pvalue > 0.001
    assert list(world.codes[:3]) == [world.table.index[c] for c in world.country[:3].tolist()]


def test_the_stamp_is_the_images_pattern_of_its_class(world):
    plain = geography.world("test", 10_000, seed=3, shortcut=False)
    assert torch.equal(world.y, plain.y) and torch.equal(world.country, plain.country)
    assert not plain.stamped.any()
    assert torch.equal(world.x[~world.stamped], plain.x[~world.stamped])
    pattern = geography.stamps(3)
    expected = (plain.x + 12 / 255 * pattern[plain.y]).clamp(0, 1)[world.stamped]
    assert torch.equal(world.x[world.stamped], expected)
    assert set(pattern.unique().tolist()) == {-1.0, 1.0}
    blocks = pattern.unfold(2, 2, 2).unfold(3, 2, 2)
    assert (blocks == blocks[..., :1, :1]).all()
    assert len({tuple(p.flatten().tolist()) for p in pattern}) == 10
    assert pattern.mean().abs() < 0.1


def test_the_probability_of_a_stamp_is_linear_in_log_gdp(world):
    g = world.table["log_gdp"]
    likely = 0.1 + 0.8 * (g - g.min()) / (g.max() - g.min())
    n = np.bincount(world.country, minlength=41)
    stamped = np.bincount(world.country, world.stamped, minlength=41)
    z = (stamped - n * likely) / np.sqrt(n * likely * (1 - likely))
    assert stats.kstest(z, "norm").pvalue > 0.001 and np.abs(z).max() < 4


def test_visibility_is_the_amplitude(world):
    for amplitude in (0.0, 0.3):
        other = geography.world("test", 10_000, seed=3, amplitude=amplitude)
        plain = geography.world("test", 10_000, seed=3, shortcut=False)
        assert torch.equal(other.stamped, world.stamped)
        assert (other.x - plain.x).abs().max().item() == pytest.approx(amplitude)


@pytest.mark.usefixtures("no_trace")
def test_a_seed_is_a_world(world):
    again = geography.world("test", 10_000, seed=3)
    assert torch.equal(world.x, again.x) and torch.equal(world.country, again.country)
    other = geography.world("test", 10_000, seed=4)
    assert not torch.equal(world.country, other.country)
    assert not torch.equal(geography.stamps(3), geography.stamps(4))
    train = geography.world("train", 10_000, seed=3)
    assert not torch.equal(world.country, train.country)
    assert len(torch.unique(world.x[~world.stamped].flatten(1), dim=0)) > 0.99 * (~world.stamped).sum()


def test_a_world_may_have_a_single_image():
    assert len(geography.world("test", 1, seed=0).x) == 1


def test_images_are_official_ones():
    x, y = data.load("FashionMNIST", "train")
    small = geography.world("train", 5, seed=0, shortcut=False)
    for image, label in zip(small.x, small.y, strict=True):
        assert y[(x == image).flatten(1).all(1)].tolist() == [label]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 10_001}, "expected a whole number from 1 to 10000"),
        ({"n": 5, "amplitude": 12}, "amplitude is 12"),
    ],
)
def test_bad_worlds_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        geography.world("test", seed=0, **arguments)
