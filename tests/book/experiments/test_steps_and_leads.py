"""Algorithm 1 with shorter steps and PerC-AL with a lead, on images of 64 pixels and a small classifier."""

import json

import pandas as pd
import pytest
import torch
from book.experiments.hand_made import squares

from fairlib import data
from fairlib.book import units
from fairlib.book.experiments import steps_and_leads, table1


@pytest.fixture
def own(small, monkeypatch):
    """The book's photographs are those of `small`, whatever folder FAIRLIB_IMAGES names."""
    x, y = data.photographs("photographs", size=64)
    folders = []
    monkeypatch.setattr(data, "photographs", lambda folder, size: folders.append((folder.name, size)) or (x, y))
    yield small
    assert set(folders) == {("photographs", 224)}


def unit(what: str) -> pd.DataFrame:
    rows = json.loads(json.dumps(steps_and_leads.run(what=what, first=1, images=3), allow_nan=False))["rows"]
    assert [row for row in rows if row["image"] == 3] == [{"image": 3, "right": False}]
    assert {row["image"] for row in rows} == {1, 2, 3}
    return pd.DataFrame(rows).dropna(subset=["method"])


def test_the_first_step_is_the_papers_and_a_short_one_goes_less_far(own):
    rows = unit("steps")
    assert rows.groupby("image")["method"].agg(list).tolist() == 2 * [
        ["pgd", "ours_a=1", "eps=0.1", "eps=0.03", "eps=0.01"]
    ]
    case = table1.Case(own, squares("cost"), "embedded", 0, None, None)
    assert "step_size" not in table1.methods(case, case.cost, case.cost)["ours_a=0"].keywords
    assert [a.keywords["step_size"] for n, a in steps_and_leads.tried(case, "steps").items() if "eps" in n] == [
        0.1, 0.03, 0.01,
    ]  # fmt: skip
    L2 = rows.pivot_table("L2", "image", "method")
    assert (L2["eps=0.01"] <= L2["eps=0.1"]).all()
    assert rows[[*steps_and_leads.JUDGES]].notna().all(axis=None)


def test_the_gradients_length_is_that_of_a_difference(own):
    """The slope along the gradient itself, by a central difference, is the gradient's length."""
    x, y = data.photographs(steps_and_leads.files.root() / "photographs", size=224)
    case = table1.Case(own, squares("cost"), "embedded", 1, x[1:2], y[1:2])
    leaf = case.x.clone().requires_grad_()
    torch.nn.functional.cross_entropy(own(leaf), case.y).backward()
    way = leaf.grad / leaf.grad.norm()
    with torch.no_grad():
        ahead, behind = (torch.nn.functional.cross_entropy(own(case.x + s * way), case.y) for s in (0.01, -0.01))
    assert steps_and_leads.length(case) == pytest.approx(float(ahead - behind) / 0.02, rel=0.02)
    assert unit("steps").groupby("image")["gradient"].first()[1] == pytest.approx(steps_and_leads.length(case))


def test_a_lead_takes_perc_al_farther_from_the_image(own):
    rows = unit("leads")
    assert rows.groupby("image")["method"].agg(list).tolist() == 2 * [["lead=0", "lead=40"]]
    case = table1.Case(own, squares("cost"), "embedded", 0, None, None)
    tried = {name: attack.keywords for name, attack in steps_and_leads.tried(case, "leads").items()}
    assert tried == {name: {"iterations": 20, "confidence": lead} for name, lead in (("lead=0", 0), ("lead=40", 40))}
    turned = rows[rows["success"].astype(bool)].pivot_table("L2", "image", "method").dropna()
    assert (turned["lead=0"] <= turned.get("lead=40", turned["lead=0"])).all()


def test_units_are_shards_of_the_books_photographs():
    listed = units.of("steps_and_leads", "embedded", "paper")
    for what in steps_and_leads.SHARDS:
        own = [u.arguments for u in listed if u.arguments["what"] == what]
        assert [i for u in own for i in range(u["first"], u["first"] + u["images"])] == list(range(24))
    with pytest.raises(ValueError, match="what is 'all', expected one of: steps, leads"):
        steps_and_leads.run(what="all", first=0, images=1)
