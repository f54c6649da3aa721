"""Two audits compared: what the package's comparison says, in words, of images matched by their paths."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audited import run
from made_images import world

from fairlib import __main__, fairness
from fairlib.audit.comparison import compare_images, shared_images, words


def compare(*options: str) -> int:
    """`audit compare` as a user types it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fairlib", "audit", "compare", "a.json", "b.json", *options])
        return __main__.main()


def both(lost: float, gained: float = 0.0) -> pd.DataFrame:
    """Images of a made world; B is wrong on more of the rich, right on more of the poor."""
    made = world(1, countries=20, images=6_000, slope=0.06)
    images = pd.DataFrame({key: made[of] for key, of in (("class", "classes"), ("country", "countries"))})
    images = images.assign(log_wealth=made["log_wealth"], right_a=made["right"])
    share = images["log_wealth"].rank(pct=True)
    drawn = np.random.default_rng(0).random(len(images))
    right = images["right_a"] & ~(drawn < lost * share)
    return images.assign(right_b=right | (drawn < gained * (1 - share)))


def test_levelling_down_is_said_in_words():
    found = compare_images(both(0.4)) | {"models": {"A": "one", "B": "other"}}
    assert found["levelling_down"] and found["slopes"]["between"]["verdict"] == "flatter"
    said = words(found)
    assert "B is flatter by levelling down" in said and "Poorest third: A 0." in said and "A is one, B is other" in said


def test_a_gain_of_the_poor_is_no_levelling_down():
    found = compare_images(both(0.0, 0.4)) | {"models": {"A": "one", "B": "other"}}
    assert not found["levelling_down"] and found["slopes"]["between"]["verdict"] == "flatter"
    assert "levelling" not in words(found)


def test_it_is_the_comparison_of_the_package():
    images = both(0.4)
    own = fairness.compare_models(
        images["right_a"], images["right_b"], images["log_wealth"], images["class"], images["country"]
    )
    found = compare_images(images)
    assert found["slopes"]["between"]["difference"] == own.slopes["between"].difference
    assert [row["change"] for row in found["thirds"]] == own.thirds["change"].tolist()


def test_few_images_are_compared_without_a_verdict():
    found = compare_images(both(0.4).head(40)) | {"models": {"A": "one", "B": "other"}}
    assert found["too_few"] and "too few images to say" in words(found) and "Slope" not in words(found)


def table(**columns) -> pd.DataFrame:
    base = {"country": ["PER", "NOR"], "class": ["1", "2"], "labels": ["1", "2"], "log_wealth": ["7.5", "9.5"]}
    return pd.DataFrame(base | {"right": ["True", "False"]} | columns, index=pd.Index(["a.png", "b.png"], name="path"))


def test_images_are_matched_by_path():
    turned = table(right=["False", "True"]).iloc[::-1].rename(index={"a.png": "c.png"})
    found = shared_images(table(), turned)
    assert found.index.tolist() == ["b.png"] and not found["right_a"].any() and found["right_b"].all()
    with pytest.raises(ValueError, match="no image is in both reports"):
        shared_images(table(), table().rename(index="x{}".format))
    with pytest.raises(ValueError, match=r"differ in the labels of 1 images, first of b\.png"):
        shared_images(table(), table(labels=["1", "3"]))
    with pytest.raises(ValueError, match="one of the reports has no cluster"):
        shared_images(table(), table(cluster=["x", "y"]))


def test_two_reports_are_compared(house, capsys):
    run(out="a")
    (house / "own_model.py").write_text((house / "own_model.py").read_text() + OTHER)
    sys.modules.pop("own_model")
    run(out="b", model="own_model:worse")
    capsys.readouterr()
    assert compare("--out", "compared") in (0, 3)
    said = capsys.readouterr().out
    assert "A is own_model:make, B is own_model:worse; 43 images are in both. Accuracy: A 0.744, B 0." in said
    kept = json.loads(Path("compared.json").read_text())
    assert kept["images"] == 43 and kept["models"]["B"] == "own_model:worse"
    assert compare("--out", "compared") in (0, 3)  # an earlier comparison is written over
    assert compare("--out", "a") == 2  # a report is not
    assert "a.json is no earlier comparison" in capsys.readouterr().err


OTHER = """
def worse():
    class Worse(Colour):
        def forward(self, x):
            return super().forward(x) + torch.tensor([0.2, 0.0, 0.0])
    return Worse()
"""


def test_what_is_no_report_is_refused(house, capsys):
    assert compare() == 2
    assert "no report at a.json" in capsys.readouterr().err
    Path("a.json").write_text("{}")
    assert compare() == 2
    assert "a.json is no report of an audit" in capsys.readouterr().err
    Path("a.json").write_text('{"version": 99, "model": {"name": "x"}}')
    assert compare() == 2
    assert "has version 99, expected 1; make it again with `audit report`" in capsys.readouterr().err
    Path("a.json").write_text('{"version": 1, "model": {"name": "x"}}')
    Path("b.json").write_text('{"version": 1, "model": {"name": "x"}}')
    assert compare() == 2
    assert "no a.images.csv beside a.json" in capsys.readouterr().err
