"""What the first page draws is what the records say, counted here in another way."""

import numpy as np
import pytest

from fairlib import geography
from fairlib.book import claims, front
from fairlib.book.experiments import fairer


@pytest.fixture(scope="module")
def drawn() -> list:
    return front.pictures()


def test_the_gains_are_the_chapters(drawn):
    unaware = claims.recorded("centroid_defense")["FullyConnected/MNIST/gain/eps=0.1"]
    aware = claims.recorded("stress_tests")["FullyConnected/MNIST/strongest/gain/eps=0.1"]
    for (frame, _), estimates in zip(drawn, ((unaware,), (unaware, aware)), strict=False):
        rows = frame.query("label == 'digits, plain net'").to_dict("records")[-len(estimates) :]
        assert len(frame) == 8
        for row, e in zip(rows, estimates, strict=True):
            assert [row["value"], row["low"], row["high"]] == pytest.approx([100 * e.value, 100 * e.low, 100 * e.high])


def test_the_attacks_stand_by_distance(drawn):
    frame, _ = drawn[2]
    assert frame["value"].is_monotonic_increasing and len(frame) == 4
    shown = frame.set_index("label")["value"]
    assert shown["PerC-AL"] == claims.recorded("table1")["ours_a=0_minus_perc_al/LPIPS"].value


def test_thirds_against_a_count_of_images():
    """The start model's accuracy in each third, and the change of the first data set as its record has it."""
    found = front.thirds()
    test = geography.world("test", fairer.IMAGES, seed=fairer.WORLD)
    ranks = test.table["log_gdp"].rank().to_numpy()[test.country]
    records = fairer.recorded()
    right = np.array(records.query("arm == 'start'")["right"].dropna().iloc[0])
    n = np.bincount(test.country, minlength=len(right))
    by_country = test.table["log_gdp"].rank().to_numpy()
    for name, (low, high) in {"poorest": (0, 14), "middle": (14, 28), "richest": (28, 99)}.items():
        own = (by_country > low) & (by_country <= high)
        assert found.loc[name, "before"] == pytest.approx(right[own].sum() / n[own].sum())
        assert ((ranks > low) & (ranks <= high)).sum() == n[own].sum()
    changes = fairer.changes().query("arm == 'ours'").set_index("group")["value"]
    for name in found.index:
        assert found.loc[name, "low"] <= found.loc[name, "value"] <= found.loc[name, "high"]
        assert found.loc[name, "value"] == pytest.approx(changes[f"{name} third"], abs=0.02)


def test_the_shorter_training_against_its_point():
    """The values are those of the point on the path; the intervals hold them, and are wider than over data sets."""
    found, point = front.early(), fairer.early(fairer.frontier())
    begin = fairer.start_point().iloc[0]
    for name in ("slope", "poorest"):
        ends = found[name]
        assert ends["value"] == pytest.approx(point[name]["value"] - begin[name], abs=1e-9)
        assert ends["low"] <= ends["value"] <= ends["high"]
        assert ends["high"] - ends["low"] > point[name]["high"] - point[name]["low"]


def test_the_bars_are_the_changes(drawn):
    """The poorest third's bar is the card's number, interval and all."""
    frame, _ = drawn[3]
    groups = front.thirds()
    assert frame["label"].tolist() == [f"{name}, from {100 * row['before']:.0f}" for name, row in groups.iterrows()]
    e = claims.recorded("fairer")["poor_accuracy/ours_minus_start"]
    ends = frame.iloc[0][["value", "low", "high"]].tolist()
    assert ends == pytest.approx([100 * e.value, 100 * e.low, 100 * e.high])


def test_only_what_starts_from_noise_is_moved_by_another_start():
    noise, image, found = front.farther(), front.farther(image=True), claims.recorded("table1")
    assert {name for name in noise if noise[name] != image[name]} == {"PPGD", "LPA"}
    assert image["PPGD"] == found["start=image/ours_a=0_minus_ppgd/LPIPS"]
