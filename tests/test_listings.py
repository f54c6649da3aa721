"""Tables and paths as Excel, Windows and macOS write them."""

import os
import unicodedata

import pytest

from fairlib import listings

TABLE = [["path", "label", "country"], ["Häuser/é 1.png", "582|415", "Côte d'Ivoire"], ["b,c;d.png", "1", "Peru"]]


def text(separator: str, end: str) -> str:
    cells = [[f'"{cell}"' if set(cell) & set(",;") else cell for cell in row] for row in TABLE]
    return "".join(separator.join(row) + end for row in cells)


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be with mark"])
def test_a_table_is_the_same_however_it_was_saved(tmp_path, separator, end, encoding):
    whole = text(separator, end)
    content = b"\xfe\xff" + whole.encode("utf-16-be") if "mark" in encoding else whole.encode(encoding)
    (tmp_path / "x.csv").write_bytes(content)
    assert list(listings.lines(tmp_path / "x.csv")) == list(zip((1, 2, 3), TABLE, strict=True))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_excels_first_line_names_the_separator_and_is_no_row(tmp_path, separator):
    first = "a;b,c.png" if separator in "\t|" else "a.png"
    (tmp_path / "x.csv").write_text(f"sep={separator}\r\npath{separator}label\r\n{first}{separator}1\r\n")
    assert list(listings.lines(tmp_path / "x.csv")) == [(2, ["path", "label"]), (3, [first, "1"])]


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        ("path,label\nCôte.png,1\n".encode("cp1252"), r"is no text in UTF-8 .*save it as CSV in UTF-8"),
        ("path,label\na.png,1\n".encode("utf-16-le"), r"is no text in UTF-8 \(it holds zero bytes\); save it as CSV"),
        ("path,label\na.png,1\n".encode("utf-16")[:-1], r"is no text in UTF-8 .*save it as CSV in UTF-8"),
        (b'path,label\n"a.png,1\n', r"is no CSV file \(line 2: unexpected end of data\); check the quotes"),
    ],
)
def test_what_is_no_table_is_answered_with_what_to_do(tmp_path, content, mend):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=mend):
        list(listings.lines(tmp_path / "x.csv"))


@pytest.fixture
def folder(tmp_path):
    for name in ("Häuser/é 1.png", "plain/A.png", "plain/B.png", "plain/b.png", "back\\slash.png"):
        path = tmp_path / unicodedata.normalize("NFC", name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (unicodedata.normalize("NFD", "Häuser/é 1.png"), "Häuser/é 1.png"),
        ("häuser\\É 1.PNG", "Häuser/é 1.png"),
        (unicodedata.normalize("NFD", "HÄUSER\\é 1.PNG"), "Häuser/é 1.png"),
        ("PLAIN/a.png", "plain/A.png"),
        ("plain/b.png", "plain/b.png"),
        ("Plain\\B.png", "plain/B.png"),
        ("back\\slash.png", "back\\slash.png"),
        ("./plain//A.png", "plain/A.png"),
    ],
)
def test_a_name_is_the_file_that_it_means(folder, path, expected):
    assert listings.inside(folder, path) == (folder / expected).resolve()


def test_a_file_whose_name_came_from_macos_is_found_too(folder):
    (folder / unicodedata.normalize("NFD", "Lübeck.png")).touch()
    found = listings.inside(folder, unicodedata.normalize("NFC", "lübeck.png"))
    assert found.is_file()


def test_a_name_that_fits_two_files_is_refused(folder):
    os.rename(folder / "plain" / "b.png", folder / "plain" / "b.PNG")
    with pytest.raises(ValueError, match=r"'plain/b\.png' fits B\.png and b\.PNG; write it like the one that is meant"):
        listings.inside(folder, "plain/b.png")


def test_a_link_that_is_found_by_another_case_still_may_not_lead_out(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.touch()
    os.symlink(outside, folder / "Link.png")
    os.symlink(outside.parent, folder / "There")
    for path in ("link.png", "THERE\\secret.png"):
        with pytest.raises(ValueError, match="leads out of the manifest's folder through a link"):
            listings.inside(folder, path)


def test_names_like_a_missing_one_s_are_files_with_another_ending(folder):
    assert listings.alike(folder, "PLAIN\\a.jpeg") == ["plain/A.png"]
    assert (
        listings.alike(folder, "plain/C.png") == listings.alike(folder, ".") == listings.alike(folder, "no/a.png") == []
    )


def test_a_name_that_no_system_takes_is_no_file(folder):
    """`Path.exists` and `Path.is_file` raise there, up to Python 3.13."""
    name = 300 * "x" + ".png"
    assert not listings.is_file(folder / name)
    assert listings.inside(folder, name) == folder.resolve() / name
    assert listings.alike(folder, name) == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r\n=1", "\0=1", " =1", "＝1"])
def test_no_cell_that_is_written_begins_like_a_formula(tmp_path, text):
    listings.write(tmp_path / "t.csv", ["a", "b"], [[text, -1.5], ["ok", 2]])
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3 and lines[1].endswith(",-1.5") and lines[1].startswith("'")
    assert lines[2] == "ok,2"
    assert [cells for _, cells in listings.lines(tmp_path / "t.csv")][1:] == [[lines[1][:-5], "-1.5"], ["ok", "2"]]


@pytest.mark.parametrize("text", ["a,b", 'say "x"', "a b", "", "é", "<b>", "a=1"])
def test_other_cells_are_read_as_they_were_written(tmp_path, text):
    listings.write(tmp_path / "t.csv", ["a", "b"], [[text, "end"]])
    assert list(listings.lines(tmp_path / "t.csv"))[1] == (2, [text, "end"])


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("1234.5", 1234.5), ("2.", 2.0), ("1.2e4", 12000.0)])
def test_positive_numbers(text, value):
    assert listings.positive_number(text, "wealth") == value


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", "1,000", "1_000", "nan", "inf", "1e999", "1e-999", "٣", "x" * 999]
)
def test_what_is_no_positive_number(text):
    with pytest.raises(ValueError, match="is no positive number; write it like") as caught:
        listings.positive_number(text, "wealth")
    assert len(str(caught.value)) < 250
