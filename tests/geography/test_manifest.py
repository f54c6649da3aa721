"""Manifests as people write them, and ones that misbehave."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlib import geography, listings


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c d.png"):
        (tmp_path / "images" / name).touch()
    (tmp_path / "secret.png").touch()
    return tmp_path / "images"


def write(folder: Path, text: str) -> Path:
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    return folder / "manifest.csv"


def test_every_line_is_used_or_accounted_for(folder):
    lines = [
        "a.png,3,Brazil", "b.png, 582|415 ,ivory coast", "sub/c d.png,0,KOR", "gone.png,1,Peru", "a.png,1,Peru",
        "b.png,1,Untied States", "b.png,-1,Peru", "b.png,cat,Peru", "b.png,,Peru", "b.png,1,Singapore", "b.png,1,",
    ]  # fmt: skip
    found = geography.manifest(write(folder, "﻿path,label,country\n" + "\n".join(lines)))
    assert found.rows.to_dict("list") == {
        "line": [2, 3, 4],
        "path": ["a.png", "b.png", "sub/c d.png"],
        "labels": [(3,), (582, 415), (0,)],
        "country": ["BRA", "CIV", "KOR"],
        "class": ["3", "582", "0"],
    }
    assert list(found.skipped["line"]) == [5, 6, 7, 8, 9, 10, 11, 12]
    assert len(found.rows) + len(found.skipped) == len(lines)
    for reason, expected in zip(
        found.skipped["reason"],
        ["no such image", "the image of line 2 again", "did you mean United States", "label '-1'", "label 'cat'",
         "label ''", "no GDP for 'Singapore'", "unknown country ''"],
        strict=True,
    ):  # fmt: skip
        assert expected in reason
    assert set(found.unmatched) == {"Untied States", ""}


def test_what_is_not_available_is_not_namibia(folder):
    lines = ["a.png,1,NA", "b.png,1,no", "sub/c d.png,1,Peru"]
    found = geography.manifest(write(folder, "path,label,country\n" + "\n".join(lines)))
    assert list(found.rows["country"]) == ["PER"] and found.named == {"PER"}
    assert list(found.skipped["reason"]) == [
        "unknown country 'NA'; it is Namibia's code, and what is written where nothing is known: write Namibia or "
        "leave it out",
        "unknown country 'no'; a code counts in capitals only, since it may be a word: write NO or Norway",
    ]
    lines = ["a.png,1,NA", "b.png,1,NO", "sub/c d.png,1,PE"]
    found = geography.manifest(write(folder, "path,label,country\n" + "\n".join(lines)))
    assert list(found.rows["country"]) == ["NAM", "NOR", "PER"]


def test_columns_may_come_in_any_order_with_others(folder):
    found = geography.manifest(write(folder, "country,source,path,label\nPE,me,a.png,1\n"))
    assert found.rows.to_dict("records") == [
        {"line": 2, "path": "a.png", "labels": (1,), "country": "PER", "class": "1"}
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff{0}\r\n{1}\r\n",
        " path , label,\tcountry \n{1}",
        "PATH,Label,country\n\n , ,\n{1}\n\n",
        "{0}\ra.png , 1 , Peru\r",
        "path;label;country\r\na.png;1;Peru\r\n",
        "sep=;\r\npath;label;country\r\na.png;1;Peru\r\n",
        "path\tlabel\tcountry\na.png\t1\tPeru\n",
    ],
)
def test_a_table_may_look_as_programs_write_it(folder, text):
    found = geography.manifest(write(folder, text.format("path,label,country", "a.png,1,Peru")))
    assert found.rows[["path", "labels", "country"]].to_dict("records") == [
        {"path": "a.png", "labels": (1,), "country": "PER"}
    ]
    assert found.skipped.empty


def test_a_line_has_the_number_that_an_editor_shows(folder):
    text = 'path,label,country\n\na.png,1,Peru\n"two\nlines.png",1,Peru\n\ngone.png,1,Peru\n'
    found = geography.manifest(write(folder, text))
    assert list(found.rows["line"]) == [3]
    assert list(found.skipped["line"]) == [4, 7]


def test_a_line_with_other_cells_is_left_out_and_counted(folder):
    found = geography.manifest(write(folder, "label,path,country\n1,a.png,Peru\n1,b.png\n1,b.png,Peru,x\n1\n"))
    assert list(found.rows["path"]) == ["a.png"]
    assert list(found.skipped["path"]) == ["b.png", "b.png", "1"]
    assert [r[:25] for r in found.skipped["reason"]] == [f"expected 3 cells, found {n}" for n in (2, 4, 1)]


def test_a_name_that_no_file_can_have_is_no_image(folder):
    os.mkfifo(folder / "pipe.png")
    text = f"path,label,country\na.png,1,Peru\n{'x' * 300}.png,1,Peru\nsub,1,Peru\npipe.png,1,Peru\n"
    assert list(geography.manifest(write(folder, text)).skipped["reason"]) == ["no such image"] * 3


def test_a_link_to_itself_is_no_image(folder):
    os.symlink("circle", folder / "circle")
    try:
        found = geography.manifest(write(folder, "path,label,country\na.png,1,Peru\ncircle,1,Peru\n"))
    except ValueError as error:
        assert "line 3: 'circle' is a link that leads to itself" in str(error)  # until Python 3.13
    else:
        assert list(found.skipped["reason"]) == ["no such image"]


def test_countries_that_lost_every_image_are_named(folder):
    found = geography.manifest(write(folder, "path,label,country\na.png,1,Peru\ngone.png,1,Chile\nb.png,1,Narnia\n"))
    assert found.named == {"PER", "CHL"}


ESCAPES = [
    "../secret.png",
    "sub/../../secret.png",
    "/etc/passwd",
    "C:\\secret.png",
    "..\\secret.png",
    "\\\\host\\x",
    "",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_a_manifest_that_leads_out_of_its_folder_is_refused_whole(folder, path):
    with pytest.raises(ValueError, match="no path inside the manifest's folder"):
        geography.manifest(write(folder, f"path,label,country\na.png,1,Peru\n{path},1,Peru\n"))


@pytest.mark.parametrize("path", ["sub\\c d.png", "./sub/c d.png", ".\\sub\\c d.png", "Sub/C D.PNG", "SUB\\C d.png"])
def test_a_path_as_other_systems_write_it_is_the_same_image(folder, path):
    found = geography.manifest(write(folder, f"path,label,country\n{path},1,Peru\nsub/c d.png,1,Peru\n"))
    assert list(found.rows["path"]) == [path]
    assert list(found.skipped["reason"]) == ["the image of line 2 again"]
    assert listings.inside(folder, path) == (folder / "sub" / "c d.png").resolve()


@pytest.mark.parametrize("path", ["file:///{0}/a.png", "FILE:a.png", "https://host/a.png", "{0}/a.png"])
def test_an_address_is_refused_with_what_to_write(folder, path):
    with pytest.raises(ValueError, match=r"line 2: .* is no path inside the manifest's folder; write it relative to"):
        geography.manifest(write(folder, f"path,label,country\n{path.format(folder)},1,Peru\n"))


def test_a_missing_image_with_a_name_like_another_s_names_that(folder):
    found = geography.manifest(write(folder, "path,label,country\na.png,1,Peru\nsub\\C d.jpg,1,Peru\n"))
    assert list(found.skipped["reason"]) == ["no such image; did you mean sub/c d.png?"]


@pytest.mark.parametrize("link", ["file", "directory"])
def test_a_link_that_leads_out_is_refused(folder, link):
    os.symlink(folder.parent / "secret.png" if link == "file" else folder.parent, folder / "link")
    name = "link" if link == "file" else "link/secret.png"
    with pytest.raises(ValueError, match="leads out of the manifest's folder through a link"):
        geography.manifest(write(folder, f"path,label,country\n{name},1,Peru\n"))


def test_a_link_within_the_folder_is_followed(folder):
    os.symlink(folder / "sub" / "c d.png", folder / "link.png")
    assert listings.inside(folder, "link.png") == (folder / "sub" / "c d.png").resolve()


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="./\\ab:~\0 ", max_size=12))
def test_no_path_gets_out(path):
    folder = Path("some") / "folder"
    try:
        found = listings.inside(folder, path)
    except ValueError:
        return
    assert found.is_relative_to(folder.resolve())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,label\na.png,1\n", "is 'path,label', expected the column country once"),
        ("path|label|country\na.png|1|Peru\n", "is 'path|label|country', expected .* with commas between them"),
        ("path,label,country,path\na.png,1,Peru,b.png\n", "expected the column path once"),
        ("", "is '', expected the column path, label, country once"),
        ("path,label,country\n", "names no usable image"),
        ("path,label,country\ngone.png,1,Peru\n", "names no usable image; line 2: no such image"),
        ('path,label,country\n"a.png,1,Peru\n', r"is no CSV file \(line 2: unexpected end of data\)"),
    ],
)
def test_a_manifest_without_images_is_refused(folder, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        geography.manifest(write(folder, text))


def test_bytes_that_are_no_text_are_refused(folder):
    for content in (b"\xff\xfe\x00\x81path", "path,label,country\na.png,1,C\u00f4te d'Ivoire\n".encode("latin-1")):
        (folder / "manifest.csv").write_bytes(content)
        with pytest.raises(ValueError, match=r"is no text in UTF-8 .*; save it as CSV in UTF-8"):
            geography.manifest(folder / "manifest.csv")


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no manifest at .*gone\.csv; give a CSV file with the columns path"):
        geography.manifest(tmp_path / "gone.csv")


def test_classes_clusters_and_wealth_are_kept_where_there_are_columns(folder):
    lines = [
        "a.png,1|2,Peru,shoes,h1,120.5", "b.png,3,Chile,hats,h2,1e3", "sub/c d.png,1,Peru,,h1,5",
        "sub/c d.png,1,Peru,shoes,,5", "sub/c d.png,1,Peru,shoes,h1,0", "sub/c d.png,1,Peru,shoes,h1,-3",
        'sub/c d.png,1,Peru,shoes,h1,"1,000"', "sub/c d.png,1,Peru,shoes,h1,nan", "sub/c d.png,1,Peru,shoes,h1,1e999",
    ]  # fmt: skip
    found = geography.manifest(write(folder, "path,label,country,Class,cluster,wealth\n" + "\n".join(lines)))
    assert found.rows[["class", "cluster"]].to_dict("list") == {"class": ["shoes", "hats"], "cluster": ["h1", "h2"]}
    assert np.exp(found.rows["log_wealth"]).to_list() == pytest.approx([120.5, 1000])
    assert "wealth" not in found.rows
    for reason, expected in zip(
        found.skipped["reason"],
        ["no class; fill the cell", "no cluster;", "wealth '0' is no positive number", "'-3'", "'1,000'", "'nan'",
         "'1e999'"],
        strict=True,
    ):  # fmt: skip
        assert expected in reason


def test_columns_that_are_asked_for_as_groups_are_kept(folder):
    path = write(folder, "path,label,country,City,time of day\na.png,1,Peru,=Lima,night\nb.png,2,Peru,Cusco,\n")
    found = geography.manifest(path, groups=["city", "City", "class"])
    assert found.groups == ("city", "class")
    assert found.rows[["city", "class"]].to_dict("list") == {"city": ["=Lima", "Cusco"], "class": ["1", "2"]}
    assert "time of day" not in found.rows
    assert list(geography.manifest(path, groups=["Time of day"]).skipped["reason"]) == [
        "no time of day; fill the cell, or leave the line out"
    ]
    with pytest.raises(ValueError, match=r"no column 'citty' for a group; did you mean city\?"):
        geography.manifest(path, groups=["citty"])
    with pytest.raises(ValueError, match="the column label cannot be a group; name another, such as class"):
        geography.manifest(path, groups=["label"])
    with pytest.raises(ValueError, match="has the column city more than once"):
        geography.manifest(write(folder, "path,label,country,city,City\na.png,1,Peru,x,y\n"), groups=["city"])


def test_what_reads_labels_may_be_another_and_says_why_it_cannot(folder):
    def read_label(text: str) -> tuple[int, ...]:
        if text != "tench":
            raise ValueError(f"no {text} here")
        return (0,)

    path = write(folder, "path,label,country\na.png,tench,Peru\nb.png,dog,Peru\n")
    found = geography.manifest(path, read_label=read_label)
    assert list(found.rows["labels"]) == [(0,)]
    assert list(found.skipped["reason"]) == ["no dog here"]


def test_a_region_counts_where_its_wealth_is_known(folder):
    path = write(folder, "path,label,country\na.png,1,EastAsia\nb.png,1,Peru\nsub/c d.png,1,Chile\n")
    found = geography.manifest(path, ["EastAsia", "PER"], measure="wealth")
    assert list(found.rows["country"]) == ["EastAsia", "PER"]
    assert found.named == {"EastAsia", "PER", "CHL"}
    assert list(found.skipped["reason"]) == ["no wealth for 'Chile'"]


@pytest.mark.parametrize("column", range(4))
def test_a_cell_that_is_far_too_long_costs_one_line(folder, column):
    cells = ["b.png", "1", "Peru", "me"]
    cells[column] = "x" * 100_000
    path = write(folder, f"path,label,country,cluster\na.png,1,Peru,me\n{','.join(cells)}\n")
    found = geography.manifest(path)
    assert list(found.rows["path"]) == ["a.png"]
    assert "has 100000 characters, may have 5000" in found.skipped["reason"][0]
    assert len(found.skipped["path"][0]) < 100


def test_a_cell_of_ten_megabytes_and_a_zero_byte_end_in_a_sentence(folder):
    with pytest.raises(ValueError, match=r"is no CSV file \(line 2: field larger than field limit"):
        geography.manifest(write(folder, f'path,label,country\n"{"x" * 10**7}",1,Peru\n'))
    with pytest.raises(ValueError, match="it holds zero bytes"):
        geography.manifest(write(folder, "path,label,country\na.png\0,1,Peru\n"))
