"""The sections of a page say what the report says."""

from pathlib import Path

import pandas as pd
import pytest
from audited import report_at, run
from bs4 import BeautifulSoup

from fairlib.audit import sections
from fairlib.audit.words import number


@pytest.fixture
def page(house):
    run("--group", "country")
    return BeautifulSoup(Path("report.html").read_text(), "html.parser")


def test_the_slopes_stand_beside_each_other(page):
    report = report_at()
    captions = {table.caption.text: table.text for table in page.find_all("table")}
    slopes = captions["The slope per unit of log wealth"]
    assert number(report["verdict"]["between"]["slope"]) in slopes and number(report["slope"]["slope"]) in slopes
    assert "Raw: the paper's regression" in slopes and "(primary)" in slopes
    assert report["verdict"]["primary"] in page.text and "What this audit cannot say" in page.text
    assert {"By country", "By thirds of wealth"} <= set(captions)


def test_no_line_is_drawn_outside_0_and_1(page, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        sections.figures, "accuracy_by_wealth", lambda table, line: drawn.update(line=line) or (None, "")
    )
    monkeypatch.setattr(sections.figures, "svg", lambda *figure: "")
    steep = {"accuracy": [0.0, 0.1, 1.0, 1.0], "log_gdp": [7.0, 8.0, 9.0, 12.0], "n": 30}
    sections.raw(report_at(), pd.DataFrame(steep))
    line = drawn["line"][["accuracy", "low", "high"]]
    assert line.min().min() == 0 and line.max().max() == 1


def test_mixed_precision_is_reported():
    said = sections._precision({"precision": {"compared": 500, "differ": 3}})
    assert "of 500 images that were classified in full as well, 3 got another answer" in said
    assert sections._precision({"precision": None}) == ""
