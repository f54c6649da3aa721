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
