"""The rivals' attacks on images of 64 pixels, a small classifier and plain distances in the places of the large."""

import json

import pandas as pd
import pytest
from book.experiments.hand_made import squares

from fairlib import perceptual, runtime
from fairlib.book import units
from fairlib.book.experiments import rivals, table1


@pytest.fixture
def bounded(small, monkeypatch):
    """Their authors' distance is a plain one, under which their bound is a large one."""
    monkeypatch.setattr(perceptual, "unweighted_lpips", lambda: squares("own"))
    return small


def unit(what: str) -> pd.DataFrame:
    rows = json.loads(json.dumps(rivals.run(what=what, first=0, images=4), allow_nan=False))["rows"]
    assert [row["right"] for row in rows if row["image"] == 3] == [False]
    return pd.DataFrame(rows).dropna(subset=["method"])


def test_ppgd_and_lpa_from_both_starts(bounded):
    rows = unit("own")
    names = ["ppgd, noise", "ppgd, image", "lpa, noise", "lpa, image"]
    assert rows.groupby("image")["method"].agg(list).tolist() == 3 * [names]
    L1 = rows.pivot_table("L1", "image", "method")
    assert (L1["ppgd, noise"] > L1["ppgd, image"]).all()
    assert set(rows["jpeg"].map(len)) == {len(table1.QUALITIES)} and rows[[*table1.SCALE]].notna().all(axis=None)


def test_the_settings_are_their_authors(bounded):
    case = table1.Case(bounded, squares("cost"), "embedded", 7, None, None)
    for name, attack in rivals.own(case).items():
        assert (attack.keywords["bound"], attack.keywords["distance"].name) == (0.25, "own")
        generator = attack.keywords["generator"]
        assert (generator is None) == name.endswith("image")
        if generator:
            assert generator.initial_seed() == runtime.generator(7).initial_seed()
        assert "confidence" not in attack.keywords and "iterations" not in attack.keywords  # the attacks' defaults


def test_pgd_goes_farther_the_more_confidence_it_wants(bounded):
    rows = unit("confident")
    L1 = rows.pivot_table("L1", "image", "method")[["pgd_a=5", "pgd_a=10"]]
    assert (L1["pgd_a=5"] <= L1["pgd_a=10"]).all() and (L1["pgd_a=5"] < L1["pgd_a=10"]).any()
    assert rows["LPIPS"].notna().all() and "DISTS" not in rows


def test_units_are_shards_of_the_images():
    for profile, images in (("embedded", (25, 40)), ("paper", (1_000, 1_000))):
        listed = [u.arguments for u in units.of("rivals", profile)]
        for what, n in zip(("own", "confident"), images, strict=True):
            covered = [i for u in listed if u["what"] == what for i in range(u["first"], u["first"] + u["images"])]
            assert covered == list(range(n))
    with pytest.raises(ValueError, match="what is 'all', expected one of: own, confident"):
        rivals.run(what="all", first=0, images=1)
