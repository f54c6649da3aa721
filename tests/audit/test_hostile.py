"""A manifest that means harm, through the whole command: it ends in a sentence, or costs a line and nothing else."""

import csv
import json
import os
import struct
import zlib

import pytest
from audited import report_at, run

from fairlib import __main__

INJECTION = "<img src=x onerror=alert(1)>"
USAGE = {0, 2, 3}  # done, bad input, too little to say: no fault in the program (70), no verdict


@pytest.fixture
def lines(house):
    """The manifest's lines with a class and a cluster; what is added is written by `audited_with`."""
    with open(house / "set" / "manifest.csv", encoding="utf-8") as stream:
        first, *others = list(csv.reader(stream))
    return [[*first, "class", "cluster"], *([*line, line[1], line[0]] for line in others)]


def audited_with(house, lines, *hostile) -> int:
    with open(house / "set" / "manifest.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([*lines, *hostile])
    return run()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says that it has side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")


def test_html_and_formulas_stay_text(house, lines):
    name = f"{INJECTION}.png"
    os.link(house / "set" / "images" / "India0.png", house / "set" / name)
    hostile = [[name, "0", "India", INJECTION, "=cmd|'/c calc'!A1"], ["=1+1.png", "0", "India", "@x", "+1"]]
    hostile += [["images/gone.png", "0", INJECTION, "a", "b"]]
    assert audited_with(house, lines, *hostile) in USAGE
    page = (house / "report.html").read_text(encoding="utf-8")
    assert INJECTION not in page and "onerror=alert(1)&gt;" in page
    for path in house.glob("report*.csv"):
        with open(path, encoding="utf-8", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert not [
            cell for cell in cells if cell.startswith(("=", "@", "+")) or (cell[:1] == "-" and not number(cell))
        ]


def number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("side", [20_000, 2**31 - 1])
def test_a_decompression_bomb_costs_one_image(house, lines, side):
    (house / "set" / "bomb.png").write_bytes(bomb(side))
    assert audited_with(house, lines, ["bomb.png", "0", "India", "0", "me"]) in USAGE
    (skipped,) = [row for row in report_at()["skipped"] if row["path"] == "bomb.png"]
    assert "too many" in skipped["reason"] or "damaged" in skipped["reason"]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "link.png", "images/../../secret.png"])
def test_what_lies_outside_is_never_opened(house, lines, path, capfd):
    (house / "secret.png").write_bytes(b"secret")
    os.symlink(house / "secret.png", house / "set" / "link.png")
    assert audited_with(house, lines, [path, "0", "India", "0", "me"]) == 2
    assert "the manifest's folder" in capfd.readouterr().err
    assert not (house / "report.json").exists()


@pytest.mark.parametrize("cell", ["x" * 10**7, "x\0y"])
def test_a_cell_that_no_table_has_ends_in_a_sentence(house, lines, cell, capfd):
    assert audited_with(house, lines, [cell, "0", "India", "0", "me"]) == 2
    error = capfd.readouterr().err
    assert "field limit" in error or "zero bytes" in error
    assert "Traceback" not in error and len(error) < 1000


def test_a_report_of_a_hostile_manifest_is_json(house, lines):
    assert audited_with(house, lines, ["images/gone.png", "0", 'India"\u2028</script>', "\x1b[2J", "\u202e"]) in USAGE
    assert json.loads((house / "report.json").read_text(encoding="utf-8"))["skipped"]
    assert __main__.FAULT not in USAGE
