"""The frame of the page: what users wrote is text in it."""

from bs4 import BeautifulSoup

from fairlib.audit.markup import document, table


def test_cells_and_titles_are_text():
    rows = [["<b>x</b>", "1, 2", "&"], ["y", "", "<i>"]]
    page = BeautifulSoup(document("<script>", [table("Numbers", ["A", "B", "C"], rows), ""]), "html.parser")
    assert not page.find_all(["script", "b", "i"]) and page.title.text == page.h1.text == "<script>"
    cells = [
        [cell.text.replace("\xa0", " ") for cell in row.find_all(["th", "td"])] for row in page.tbody.find_all("tr")
    ]
    assert cells == rows
    assert page.find("th")["scope"] == "col" and page.html["lang"] == "en"
    head = str(page.head)
    assert page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"].startswith("default-src 'none'; ")
    assert head.index("Content-Security-Policy") < head.index("<title>") < head.index("<style>")
