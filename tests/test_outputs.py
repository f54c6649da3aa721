"""Outputs of two runs are compared as text but for numbers, which may differ by what another processor changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from tools import outputs

ROOT = Path(__file__).resolve().parents[1]


def cell(*shown, source: str = "x") -> nbformat.NotebookNode:
    """A code cell with these outputs: a text was printed, a dictionary displayed."""
    made = {str: lambda text: nbformat.v4.new_output("stream", text=text)}
    display = lambda data: nbformat.v4.new_output("display_data", data)  # noqa: E731
    return nbformat.v4.new_code_cell(source, outputs=[made.get(type(found), display)(found) for found in shown])


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        ("accuracy 0.03", "accuracy 0.04"),  # the last digit, either way
        ("accuracy 0.04", "accuracy 0.03"),
        ("change -0.00 [-0.01, 0.02]", "change 0.00 [-0.01, 0.02]"),  # a sign of nothing
        ("+0.01", "-0.00"),
        ("9.9 of ten", "10.0 of ten"),
        ("p = 7e-07", "p = 8e-07"),
        ("171 of 10,000 images", "170 of 10,000 images"),  # a prediction
        ("9,512 of 10,000", "9,505 of 10,000"),
        ("[0.3, 0.35]", "[0.31, 0.35]"),  # Python drops a last 0
        (".053", ".054"),
        ("a  0.9\nb 10.0", "a  1.0\nb  10.0"),  # another alignment
    ],
)
def test_another_processors_numbers_pass(stored, computed):
    assert outputs.differences(cell(stored), cell(computed)) == []


@pytest.mark.parametrize(
    ("stored", "computed", "message"),
    [
        ("accuracy 0.03", "accuracy 0.05", "0.03 is stored, now it is 0.05"),
        ("change 0.02", "change -0.02", "now it is -0.02"),
        ("p = 7e-07", "p = 7e-06", "now it is 7e-06"),
        ("15 epochs", "20 epochs", "15 is stored, now it is 20"),
        ("class 3", "class 4", "3 is stored, now it is 4"),
        ("99 images", "98 images", "99 is stored"),
        ("9,512 of 10,000", "9,490 of 10,000", "9,512 is stored, now it is 9,490"),
        ("partly", "reproduced", "other words"),
        ("0.5 nan", "0.5 0.1", "other words"),
        ("1 2 3", "1 2", "other words"),
        ("ab1", "ab2", "other words"),  # no number
        ("#0072b2", "#0072b3", "other words"),
        ("torch 2.15.0", "torch 2.15.1", "other words"),
    ],
)
def test_a_real_change_does_not_pass(stored, computed, message):
    [found] = outputs.differences(cell(stored), cell(computed))
    assert message in found


def test_few_numbers_may_move_and_not_many():
    stored = " ".join(["0.50"] * 30)
    assert outputs.differences(cell(stored), cell(stored.replace("0.50", "0.51", 5))) == []
    [found] = outputs.differences(cell(stored), cell(stored.replace("0.50", "0.51", 6)))
    assert "6 of 30 numbers moved a little, expected at most 5" in found


def test_what_is_missing_or_new_is_found():
    [found] = outputs.differences(cell("1"), cell("1", {"text/plain": "2"}))
    assert found == "stored are stdout, now come stdout, text/plain:\n1\n2"
    assert outputs.differences(cell("1"), cell())
    pieces = cell("a 1", " b 2")
    assert outputs.differences(cell("a 1 b 2"), pieces) == []


def test_a_table_is_compared_as_its_html():
    wide, narrow = ({"text/html": "<td>0.5</td>", "text/plain": text} for text in ("0.5 ...", "0.5\\"))
    assert outputs.differences(cell(wide), cell(narrow)) == []
    assert outputs.differences(cell(wide), cell(wide | {"text/html": "<td>0.7</td>"}))


def test_of_a_picture_within_html_its_words_are_compared():
    html = '<img alt="{alt}" src="data:image/webp;base64,{data}">'
    one, two = ({"text/html": html.format(alt="Sand, 2.5 levels", data=data)} for data in ("UklGR+/9aA==", "Qk0x"))
    assert outputs.differences(cell(one), cell(two)) == []
    assert outputs.differences(cell(one), cell({"text/html": two["text/html"].replace("2.5", "2.7")}))
    assert outputs.differences(cell(one), cell({"text/html": two["text/html"] + "<img>"}))


def test_what_a_library_says_at_import_is_no_output():
    said = nbformat.v4.new_output("stream", name="stderr", text="building the font cache")
    for source, counts in (("import x\ny = 1", False), ("def f():\n    from x import y", False), ("y = 1", True)):
        told = cell("1", source=source)
        told.outputs.append(said)
        assert bool(outputs.differences(cell("1", source=source), told)) == counts, source


def test_of_a_picture_its_alt_text_is_compared():
    def picture(pixels: str, alt: str) -> nbformat.NotebookNode:
        made = cell({"image/png": pixels})
        made.outputs[0].metadata = {"image/png": {"alt": alt}}
        return made

    assert outputs.differences(picture("aGk=", "from 0.94 to 0.02"), picture("aGo=", "from 0.94 to 0.03")) == []
    assert outputs.differences(picture("aGk=", "from 0.94 to 0.02"), picture("aGk=", "from 0.94 to 0.12"))


@pytest.fixture
def compared(tmp_path):
    """Store a notebook with these sources and what they showed, run it again as `make test` does; what pytest says."""

    def compare(*cells: tuple[str, str], **environment: str) -> subprocess.CompletedProcess:
        (tmp_path / "notebooks").mkdir()
        shutil.copy(ROOT / "notebooks" / "conftest.py", tmp_path / "notebooks")
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        for folder in ("fairlib", "tools"):
            (tmp_path / folder).symlink_to(ROOT / folder)
        notebook = nbformat.v4.new_notebook()
        for count, (source, shown) in enumerate(cells, 1):
            notebook.cells.append(cell(*([shown] if shown else []), source=source))
            notebook.cells[-1].execution_count = count
        nbformat.write(notebook, tmp_path / "notebooks" / "tiny.ipynb")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "--nbval-current-env",
            "-q",
            "-p",
            "no:cacheprovider",
            "notebooks",
        ]
        own = {name: value for name, value in os.environ.items() if name != "FAIRLIB_DEVICE"} | {
            "PYTHONPATH": str(tmp_path)
        }
        return subprocess.run(command, cwd=tmp_path, env=own | environment, capture_output=True, text=True)

    return compare


def test_nbval_compares_so(compared):
    ran = compared(
        ("print(0.51)", "0.50\n"),
        ("import os; print(os.environ['FAIRLIB_DEVICE'])", "cpu\n"),
        ("print(15, 'epochs')", "20 epochs\n"),
    )
    assert "1 failed, 2 passed" in ran.stdout
    assert "Cell outputs differ" in ran.stdout
    assert "20 is stored, now it is 15" in ran.stdout


def test_a_machine_without_a_home_passes(compared, tmp_path):
    (tmp_path / "file").write_text("no folder")
    nowhere = dict.fromkeys(("HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(tmp_path / "file" / "x"))
    draw = "print(len(fairlib.book.plots.style.Figure().subplots().plot([1])))"
    ran = compared(("import fairlib.book.plots", ""), (draw, "1\n"), **nowhere)
    assert ran.returncode == 0, ran.stdout


def test_a_lone_reader_without_a_home_sees_no_warning_of_matplotlib(tmp_path):
    (tmp_path / "file").write_text("no folder")
    nowhere = {
        "HOME": str(tmp_path / "file" / "x"),
        "MPLCONFIGDIR": str(tmp_path / "file" / "x"),
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        [sys.executable, "-c", "import fairlib.book.plots"], env=os.environ | nowhere, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_table_is_stored_without_what_pandas_adds_for_readers_of_its_source():
    """And compared so: pandas' own HTML equals it, another number or word does not."""
    frame = pd.DataFrame({"share": [0.5, 0.25], "who": ["a b", "<c>"]})
    html = frame._repr_html_()
    small = outputs.compact(html)
    rows = [[part.text for part in row.find_all(("th", "td"))] for row in BeautifulSoup(small, "html.parser")("tr")]
    assert rows == [["", "share", "who"], ["0", "0.50", "a b"], ["1", "0.25", "<c>"]]
    assert len(small) < len(html) / 2 and small.count("\n") == small.count("<tr")
    assert outputs.compact(small) == small and outputs.compact("<p>a\n <b>b</b></p>") == "<p>a\n <b>b</b></p>"
    assert outputs.differences(cell({"text/html": small}), cell({"text/html": html})) == []
    assert outputs.differences(cell({"text/html": small}), cell({"text/html": html.replace("a b", "a c")}))
