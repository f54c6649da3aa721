"""The paper's own weights: nothing to do without a network; with stand-ins, what a unit records."""

import pandas as pd
import pytest

from fairlib.book import units
from fairlib.book.experiments import paper_weights, table1


def test_units_are_those_of_the_paper_profile_alone():
    assert units.of("paper_weights", "embedded") == []
    listed = [u.arguments for u in units.of("paper_weights", "paper")]
    assert [i for u in listed for i in range(u["first"], u["first"] + u["images"])] == list(range(60))
    with pytest.raises(ValueError, match="profile is 'big'"):
        paper_weights.units("big")


def test_a_unit_has_the_attacks_that_step_and_one_without_the_cost(small):
    rows = pd.DataFrame(paper_weights.run(first=0, images=4)["rows"])
    assert rows.groupby("image")["right"].all().tolist() == [True, True, True, False]
    tried = rows.dropna(subset=["method"])
    names = [*table1.STEPPING, "ours_a=0, no cost"]
    assert tried.groupby("image")["method"].agg(list).tolist() == 3 * [names]
    assert tried[["L1", "LPIPS", "DISTS", "cost"]].notna().all(axis=None) and (tried["cost"] > 0).all()
