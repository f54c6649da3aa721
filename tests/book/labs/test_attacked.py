"""The attacked photographs that the labs show: what the records say of the same attacks, and how they are scaled."""

import numpy as np
import pytest

from fairlib import data, imagenet, perceptual
from fairlib.book.experiments import table1
from fairlib.book.labs import attacked

# Of two of the photographs the place in the competition's set, by which the records go.
RECORDED = {"296033c3a5910845.webp": 18, "55e85d7b58024966.webp": 26}


def test_each_photograph_has_its_window_and_all_attacks():
    table = attacked.table()
    assert len(table) == attacked.PHOTOGRAPHS * len(attacked.METHODS) * len(attacked.SIZES)
    for file in table["file"].unique():
        clean, changes = attacked.pictures(file)
        assert clean.shape == (attacked.WINDOW, attacked.WINDOW, 3) and clean.dtype == np.uint8
        assert list(changes) == list(attacked.METHODS)
        for change in changes.values():
            assert np.abs(change).max() > 0
            assert (clean + change).min() >= 0 and (clean + change).max() <= 255


@pytest.mark.parametrize("file", RECORDED)
def test_they_are_the_attacks_that_were_recorded(file, one_thread):
    """Attacked again the whole photograph has the L2 of the records, and the window holds what was written."""
    row = attacked.table().query("file == @file").iloc[0]
    x, y = (part[row["place"] : row["place"] + 1] for part in data.photographs(size=table1.SIZE))
    case = table1.Case(
        imagenet.pretrained(table1.CLASSIFIER), perceptual.distance(table1.SUBSTITUTE), "embedded", 0, x, y
    )
    records = table1.attacked_rows().query("image == @RECORDED[@file]").set_index("method")["L2"]
    _, changes = attacked.pictures(file)
    for method in ("pgd", "ours_a=0"):
        x_adv = table1.methods(case, case.cost, case.cost)[method](case.model, x, y)
        assert (x_adv - x).norm().item() == pytest.approx(records[method], rel=1e-3)
        assert (case.model(x_adv).argmax(1) != y).all()
        whole = (255 * (x_adv - x)).round().int()[0].permute(1, 2, 0).numpy()
        window = whole[row["top"] :, row["left"] :][: attacked.WINDOW, : attacked.WINDOW]
        assert (window == changes[method]).mean() > 0.99


def test_a_scale_between_whole_numbers_is_met_on_average():
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 190, (144, 144, 3)).astype(np.uint8)
    change = rng.integers(-2, 3, pixels.shape)
    assert (attacked.scaled(pixels, change, 1.0) == pixels + change).all()
    for scale in (0.3, 1.4, 3.5, 7.9):
        moved = attacked.scaled(pixels, change, scale).astype(int) - pixels
        assert np.abs(moved - scale * change).max() < 1
        for value in (-2, -1, 1, 2):
            assert moved[change == value].mean() == pytest.approx(scale * value, abs=0.02)
    bright = np.full_like(pixels, 254)
    assert attacked.scaled(bright, np.full(pixels.shape, 2), 1.0).max() == 255


def test_equal_is_equal():
    for (file, _), rows in attacked.table().query("size == 'equal'").groupby(["file", "size"]):
        target = rows.set_index("method")["L2"][attacked.REFERENCE]
        assert rows["L2"].to_numpy() == pytest.approx(target, rel=2e-3), file
