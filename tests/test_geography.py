"""Countries against CLDR and known figures, the World Bank as a local server, manifests that misbehave, the world."""

import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fairlib import data, files, geography

ROOT = Path(__file__).resolve().parents[1]
TABLE = geography.countries()


# --- Names and figures. -----------------------------------------------------------------------------------------------


def test_the_figures_are_natural_earths():
    figures = TABLE.dropna()
    assert len(figures) == 173
    assert (figures["gdp"].idxmax(), figures["gdp"].max()) == ("USA", 21_433_226)  # as printed by the World Bank
    per_head = geography.gdp()
    assert list(per_head.index) == list(figures.index)
    assert per_head["NOR"] == pytest.approx(75_420, abs=1)
    assert per_head.idxmin() == "BDI"


def test_namibia_is_a_country():
    assert TABLE["iso2"]["NAM"] == "NA"
    assert geography.match(["NA", "ZA"]) == ({"NA": "NAM", "ZA": "ZAF"}, {})


# --- The World Bank. --------------------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with the tables and no cache."""
    (tmp_path / "tables").symlink_to(ROOT / "data" / "tables")
    shutil.copy(ROOT / "data" / "SHA256SUMS", tmp_path)
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def bank():
    """A server on this machine that gives what its `answer` holds, and counts how often it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(server.answer)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/{{indicator}}?date={{year}}"
    yield server
    server.shutdown()
    server.server_close()


def answer(rows: list, pages: int = 1) -> bytes:
    found = [{"countryiso3code": code, "date": "2019", "value": value} for code, value in rows]
    return json.dumps([{"page": 1, "pages": pages}, found]).encode()


def test_the_world_bank_is_asked_once(house, bank):
    bank.answer = answer([("WLD", 11_000.0), ("USA", 60_000.5), ("NAM", 5_000.0), ("PRK", None)])
    expected = {"NAM": 5_000.0, "USA": 60_000.5}  # no aggregates, no gaps
    for _ in range(2):
        assert geography.gdp("world-bank", year=2019, url=bank.url).to_dict() == expected
    assert bank.asked == ["/NY.GDP.PCAP.KD?date=2019"]
    assert [p.name for p in (house / "cache").iterdir()] == ["world-bank-NY.GDP.PCAP.KD-2019.json"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b'[{"message": [{"id": "120", "value": "Invalid value"}]}]', "no table of GDP"),
        (b"<html>busy</html>", "no table of GDP"),
        (answer([("USA", 1.0)], pages=2), "2 pages, expected all rows on one"),
        (answer([("USA", None)]), "no figures for 2019"),
        (json.dumps([{"pages": 1}, None]).encode(), "no figures for 2019"),
    ],
)
def test_an_answer_that_is_none_is_not_kept(house, bank, text, complaint):
    bank.answer = text
    with pytest.raises(ValueError, match=complaint):
        geography.gdp("world-bank", url=bank.url)
    assert not (house / "cache").exists()


def test_without_a_network_the_user_is_told(house):
    with pytest.raises(FileNotFoundError, match=r"could not be fetched .* use source='natural-earth'"):
        geography.gdp("world-bank", url="http://127.0.0.1:1/{indicator}")


def test_a_damaged_copy_is_named(house):
    (house / "cache").mkdir()
    (house / "cache" / "world-bank-NY.GDP.PCAP.KD-2019.json").write_text("[")
    with pytest.raises(ValueError, match=r"world-bank-NY.GDP.PCAP.KD-2019.json; delete it"):
        geography.gdp("world-bank")


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match="source is 'imf', expected one of: natural-earth, world-bank"):
        geography.gdp("imf")


# --- Manifests. -------------------------------------------------------------------------------------------------------


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
    assert found.rows.to_dict("records") == [{"line": 2, "path": "a.png", "labels": (1,), "country": "PER"}]


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
    assert geography.inside(folder, path) == (folder / "sub" / "c d.png").resolve()


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
    assert geography.inside(folder, "link.png") == (folder / "sub" / "c d.png").resolve()


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="./\\ab:~\0 ", max_size=12))
def test_no_path_gets_out(path):
    folder = Path("some") / "folder"
    try:
        found = geography.inside(folder, path)
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


# --- The simulated world. ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> geography.World:
    return geography.world("test", 10_000, seed=3)


def test_the_shares_are_the_papers_and_then_a_power_law():
    table = geography.shares()
    assert len(table) == 41
    assert list(table.index[:5]) == ["USA", "GBR", "CAN", "AUS", "DEU"]
    assert list(table["share"][:2]) == [0.432, 0.128]
    assert table["share"].sum() == pytest.approx(1)
    rank = np.arange(3, 42)
    np.testing.assert_allclose(np.diff(np.log(table["share"][2:])) / np.diff(np.log(rank)), -1.1)


def test_images_come_with_countries_by_their_shares(world):
    counts = np.bincount(world.country, minlength=41)
    assert stats.chisquare(counts, 10_000 * world.table["share"]).pvalue > 0.001
    assert list(world.codes[:3]) == [world.table.index[c] for c in world.country[:3].tolist()]


def test_the_stamp_is_the_images_pattern_of_its_class(world):
    plain = geography.world("test", 10_000, seed=3, shortcut=False)
    assert torch.equal(world.y, plain.y) and torch.equal(world.country, plain.country)
    assert not plain.stamped.any()
    assert torch.equal(world.x[~world.stamped], plain.x[~world.stamped])
    pattern = geography.stamps(3)
    expected = (plain.x + 12 / 255 * pattern[plain.y]).clamp(0, 1)[world.stamped]
    assert torch.equal(world.x[world.stamped], expected)
    assert set(pattern.unique().tolist()) == {-1.0, 1.0}
    blocks = pattern.unfold(2, 2, 2).unfold(3, 2, 2)
    assert (blocks == blocks[..., :1, :1]).all()
    assert len({tuple(p.flatten().tolist()) for p in pattern}) == 10
    assert pattern.mean().abs() < 0.1


def test_the_probability_of_a_stamp_is_linear_in_log_gdp(world):
    g = world.table["log_gdp"]
    likely = 0.1 + 0.8 * (g - g.min()) / (g.max() - g.min())
    n = np.bincount(world.country, minlength=41)
    stamped = np.bincount(world.country, world.stamped, minlength=41)
    z = (stamped - n * likely) / np.sqrt(n * likely * (1 - likely))
    assert stats.kstest(z, "norm").pvalue > 0.001 and np.abs(z).max() < 4


def test_visibility_is_the_amplitude(world):
    for amplitude in (0.0, 0.3):
        other = geography.world("test", 10_000, seed=3, amplitude=amplitude)
        plain = geography.world("test", 10_000, seed=3, shortcut=False)
        assert torch.equal(other.stamped, world.stamped)
        assert (other.x - plain.x).abs().max().item() == pytest.approx(amplitude)


@pytest.mark.usefixtures("no_trace")
def test_a_seed_is_a_world(world):
    again = geography.world("test", 10_000, seed=3)
    assert torch.equal(world.x, again.x) and torch.equal(world.country, again.country)
    other = geography.world("test", 10_000, seed=4)
    assert not torch.equal(world.country, other.country)
    assert not torch.equal(geography.stamps(3), geography.stamps(4))
    train = geography.world("train", 10_000, seed=3)
    assert not torch.equal(world.country, train.country)
    assert len(torch.unique(world.x[~world.stamped].flatten(1), dim=0)) > 0.99 * (~world.stamped).sum()


def test_a_world_may_have_a_single_image():
    assert len(geography.world("test", 1, seed=0).x) == 1


def test_images_are_official_ones():
    x, y = data.load("FashionMNIST", "train")
    small = geography.world("train", 5, seed=0, shortcut=False)
    for image, label in zip(small.x, small.y, strict=True):
        assert y[(x == image).flatten(1).all(1)].tolist() == [label]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 10_001}, "expected a whole number from 1 to 10000"),
        ({"n": 5, "amplitude": 12}, "amplitude is 12"),
    ],
)
def test_bad_worlds_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        geography.world("test", seed=0, **arguments)


def test_the_table_is_listed():
    assert files.checked("tables/gdp.csv").name == "gdp.csv"
    assert isinstance(TABLE, pd.DataFrame)
