"""Countries and their GDP against known figures, and the World Bank as a local server."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest

from fairlib import files, geography

ROOT = Path(__file__).resolve().parents[2]
TABLE = geography.countries()


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


def test_the_table_is_listed():
    assert files.checked("tables/gdp.csv").name == "gdp.csv"
    assert isinstance(TABLE, pd.DataFrame)


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
