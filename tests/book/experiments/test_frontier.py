"""The frontier: its data sets are those of the chapter, its last point what the chapter does."""

import pytest
import torch

from fairlib import geography
from fairlib.book import units
from fairlib.book.experiments import fairer, frontier


def test_units():
    for profile in ("embedded", "paper"):
        listed = [u.arguments for u in units.of("frontier", profile)]
        assert {(u["arm"], u["seed"]) for u in listed} == {(a, s) for a in ("pgd", "perc", "ours") for s in range(3)}
        assert {u["images"] for u in listed} == {fairer.SIZES[profile]["images"]}
    with pytest.raises(ValueError, match="arm is 'plain', expected one of: pgd, perc, ours"):
        frontier.run(arm="plain", seed=0, images=10)


def test_the_longest_training_is_that_of_the_chapter(start, monkeypatch):
    """Same attack, same draws, same weights: the last point's models are those of `fairer.arm_models`."""
    assert frontier.POINTS[-1] == (fairer.ALPHA, fairer.T2)
    monkeypatch.setattr(frontier, "POINTS", ((1e-4, 1), frontier.POINTS[-1]))
    monkeypatch.setattr(frontier, "MODELS", 2)
    rows = frontier.run(arm="pgd", seed=1, images=40)["rows"]
    test = geography.world("test", fairer.IMAGES, seed=fairer.WORLD)
    models = fairer.arm_models(start, "pgd", seed=1, images=40, models=2)
    expected = [fairer.by_country(fairer.right(one, test.x, test.y), test.country) for one in models]
    assert [row["right"] for row in rows[2:]] == expected
    assert [(row["alpha"], row["rounds"], row["model"]) for row in rows[:2]] == [(1e-4, 1, 0), (1e-4, 1, 1)]
    before = fairer.by_country(fairer.right(start, test.x, test.y), test.country)
    near, far = (torch.tensor(row["right"]).sub(torch.tensor(before)).abs().sum() for row in (rows[0], rows[2]))
    assert 0 < near < far
