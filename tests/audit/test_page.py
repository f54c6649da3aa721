"""The page stands alone, and what users wrote is text on it."""

import re
from pathlib import Path

from audited import COUNTRIES, expected, run
from bs4 import BeautifulSoup

from fairlib.audit import sections
from fairlib.audit.report import analyse, jsonable


def test_the_page_stands_alone(house):
    run("--fail-if", "p<0")
    text = Path("report.html").read_text()
    page = BeautifulSoup(text, "html.parser")
    assert not page.find_all(["script", "link", "iframe", "img"])
    sources = [tag[a] for tag in page.find_all() for a in ("src", "href", "xlink:href") if a in tag.attrs]
    assert all(source.startswith(("#", "data:")) for source in sources)
    assert "prefers-color-scheme: dark" in page.style.string
    figures = page.find_all("svg")
    assert len(figures) == 3
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 40 for figure in figures)
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    assert not re.search(r"(?:fill|stroke): #(?:000000|262626)", text)
    captions = {t.caption.text: t for t in page.find_all("table")}
    assert len(captions["Countries, the poorest first"].tbody.find_all("tr")) == len(COUNTRIES)
    assert captions["Countries, the poorest first"].tbody.tr.th.text == "India"
    assert captions["Conditions that make this audit fail"].tbody.tr.td.find_next_sibling().text == "not met"
    assert str(house) not in text


def test_what_a_manifest_says_is_text_on_the_page(house):
    with open(house / "set" / "manifest.csv", "a") as stream:
        stream.write("<script>alert(1)</script>.png,1,Peru\nimages/USA0.png,1,<b>Peru</b>\n")
    assert run() == 0
    page = BeautifulSoup(Path("report.html").read_text(), "html.parser")
    assert not page.find_all(["script", "b"])
    assert "<script>alert(1)</script>.png" in page.text


def test_an_interval_of_p_never_reads_as_zero(house):
    table = expected().assign(name=list(COUNTRIES), low=0.0, high=1.0)
    whole = jsonable(analyse(table, worlds=20))
    for low, high, said in ((0.0, 0.0004, "[&lt; 0.001, &lt; 0.001]"), (0.0004, 0.002, "[&lt; 0.001, 0.002]")):
        page = sections.tests(whole | {"permutation": {"p": 0.0001, "low": low, "high": high}})
        assert f"interval of p is {said}" in page
