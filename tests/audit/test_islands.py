"""The sample set: its truth is what is said of it, and a model that minds the dark is judged accordingly."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fairlib import __main__, geography
from fairlib.audit import islands, verdict
from fairlib.audit.report import analyse


@pytest.fixture(scope="module", params=islands.TRUTHS)
def made(request, tmp_path_factory):
    """The truth, and the folder of its set."""
    folder = tmp_path_factory.mktemp(request.param) / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fairlib", "audit", "sample", request.param, str(folder)])
        assert __main__.main() == 0
    return request.param, folder


def table(folder) -> pd.DataFrame:
    wealth = pd.read_csv(folder / "wealth.csv").set_index("region")["wealth"]
    return pd.read_csv(folder / "manifest.csv").assign(wealth=lambda rows: rows["country"].map(wealth))


def test_the_manifest_is_one_and_no_country_is_named(made):
    _, folder = made
    wealth = geography.wealth(folder / "wealth.csv")
    found = geography.manifest(folder / "manifest.csv", wealth.index, groups=["light"], measure="wealth")
    assert len(found.rows) == 216 and found.skipped.empty
    assert found.rows["country"].value_counts().to_dict() == {f"Island {i}": 24 for i in range(1, 10)}
    assert not set(wealth.index) & set(geography.countries().index)
    assert table(folder)["license"].unique().tolist() == ["https://creativecommons.org/licenses/by/2.0/"]
    assert (table(folder)[["author", "source"]].map(len) > 3).all(axis=None)


def test_what_differs_between_the_islands_is_what_is_said(made):
    truth, folder = made
    rows = table(folder)
    dusk = rows["light"].eq("dusk").groupby(rows["wealth"]).mean()
    assert dusk.is_monotonic_decreasing and dusk.iloc[0] > 0.9 and dusk.iloc[-1] < 0.1
    lights = rows.groupby("class")["light"].nunique()
    if truth == "light":
        assert (rows.groupby("country")["class"].nunique() == 24).all() and (lights == 2).all()
    else:
        assert (lights == 1).all() and rows.groupby("light")["class"].nunique().to_dict() == {"day": 12, "dusk": 12}


def test_dusk_is_dark(made):
    _, folder = made
    rows = table(folder).groupby("light").head(20)
    brightness = [np.asarray(Image.open(folder / path)).mean() for path in rows["path"]]
    by_light = pd.Series(brightness).groupby(rows["light"].to_numpy()).agg(["min", "max", "mean"])
    assert by_light["max"]["dusk"] < 50 and by_light["mean"]["day"] > 2 * by_light["mean"]["dusk"]


def test_a_model_that_minds_the_dark_is_found_where_it_harms_and_not_where_classes_differ(made):
    truth, folder = made
    rows = table(folder)
    rng = np.random.default_rng(0)
    right = rng.random(len(rows)) < np.where(rows["light"] == "dusk", 0.5, 0.95)
    images = rows.assign(right=right, name=rows["country"], log_wealth=np.log(rows["wealth"]))
    by_country = images.groupby("country")["right"].agg(["size", "sum", "mean"])
    by_country.columns = ["n", "right", "accuracy"]
    by_country["log_gdp"] = images.groupby("country")["log_wealth"].first()
    report = analyse(by_country.assign(name=by_country.index, low=0.0, high=1.0), worlds=20)
    found = verdict.judge(images, report)
    assert report["slope"]["p"] < 0.05
    assert found["outcome"] == {"light": "established", "mix": "not established"}[truth]
    assert bool(found["warnings"]) == (truth == "mix")


def test_the_same_seed_gives_the_same_images(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        islands.sample("mix", tmp_path / name, seed=seed)
    a, b, c = ([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))] for name in "abc")
    assert a == b != c


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").write_text("my thesis")
    for folder in (tmp_path, tmp_path / "mine"):
        with pytest.raises(ValueError, match="holds something already; name a folder that is new or empty"):
            islands.sample("light", folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(ValueError, match="truth is 'dusk', expected one of: light, mix"):
        islands.sample("dusk", tmp_path / "new")
