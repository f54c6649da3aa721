"""The gallery of wrong answers: off by default, small pictures of the worst countries, nothing from outside."""

import base64
import io
from pathlib import Path

import pandas as pd
from audited import run
from bs4 import BeautifulSoup
from PIL import Image

from fairlib.audit.gallery import gallery


def pictures() -> list:
    return BeautifulSoup(Path("report.html").read_text(), "html.parser").find_all("img")


def test_wrong_answers_are_shown_where_they_are_asked_for(house):
    run()
    assert pictures() == []
    (house / "set" / "images" / "gone").mkdir()
    assert run("--gallery", "2") == 0
    shown = pictures()
    assert 0 < len(shown) <= 6
    for picture in shown:
        assert picture["alt"].startswith("Photograph from ") and "seen as" in picture["alt"]
        head, data = picture["src"].split(",")
        assert head == "data:image/jpeg;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) <= 160


def test_classes_are_called_by_their_names(tmp_path):
    Image.new("RGB", (20, 20), "grey").save(tmp_path / "a.png")
    miss = {"path": "a.png", "country": "PER", "name": "Peru", "right": False, "log_wealth": 1.0}
    images = pd.DataFrame([miss | {"class": "348", "predicted": 222, "confidence": 0.361}])
    assert "class ram, seen as kuvasz (0.36)" in gallery(images, tmp_path, 1, {222: "kuvasz", 348: "ram"})
    assert "class 348, seen as 222 (0.36)" in gallery(images, tmp_path, 1)
    assert "class sheep, seen as 222 (0.36)" in gallery(images.assign(**{"class": "sheep"}), tmp_path, 1, {348: "ram"})
