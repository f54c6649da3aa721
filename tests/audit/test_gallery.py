"""The gallery of wrong answers: off by default, small pictures of the worst countries, nothing from outside."""

import base64
import io
from pathlib import Path

from audited import run
from bs4 import BeautifulSoup
from PIL import Image


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
