"""The ledger on the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from book.claims.hand_made import CELL, ONE, at

from fairlib import __main__
from fairlib.book import claims
from fairlib.book.claims import NOT_REPRODUCED, REPRODUCED

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "fairlib", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_command_prints_text(house):
    claims.record("centroid_defense", {CELL: at(0.23, 0.222, 0.238)}, {})
    done = run("claims", "--paper", "pepe", "--verdict", "not-reproduced")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^not reproduced +1$", done.stdout, re.MULTILINE)
    assert REPRODUCED not in done.stdout.replace(NOT_REPRODUCED, "")
    assert "pepe-table1-eps0.1-defended  (Appendix A, table 1)" in done.stdout
    # 1.95996 sqrt(0.23 * 0.77 / 150) = 0.0673, with 0.008 in quadrature 0.0678, and 0.005: 0.1572 to 0.3028
    assert "paper 0.42, here 0.23 [0.22, 0.24]; a repetition: 0.16 to 0.30\n" in done.stdout
    assert "pepe-table1-eps0-defended" not in done.stdout


def test_the_command_takes_names_as_they_are_written(house, capsys):
    claims.record("centroid_defense", {CELL: at(0.23, 0.22, 0.24)}, {})

    def printed(*arguments: str) -> str:
        asked = __main__.parser().parse_args(["claims", *arguments])
        return asked.run(asked)[0]

    found = printed("--paper", "pepe", "--verdict", "not-reproduced")
    assert found.count("paper 0.42") == 1
    assert printed("--paper", "Pepe", "--verdict", "Not reproduced") == found
    assert printed("--chapter", "Centroid_Defense", "--verdict", NOT_REPRODUCED) == found
    assert printed("--paper", "hua", "--verdict", "reproduced") == "no such claim"
    assert printed("--chapter", "fgsm").count("  paper ") == sum(c.chapter == "fgsm" for c in claims.load())
    with pytest.raises(SystemExit):
        printed("--chapter", "fgms")
    assert "centroid_defense" in capsys.readouterr().err


def test_the_command_prints_json(house):
    claims.record("centroid_defense", {CELL: at(0.43, 0.42, 0.44)}, {})
    done = run("claims", "--json")
    assert done.returncode == 0
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert len(rows) == len(claims.load())
    row = rows["pepe-table1-eps0.1-defended"]
    assert (row["verdict"], row["published"], row["low"], row["ours"], row["high"], row["released"]) == (
        REPRODUCED, "0.42", 0.42, 0.43, 0.44, None,
    )  # fmt: skip
    assert (row["rule"], row["repeat_low"], row["repeat_high"]) == (  # hypot(0.01, 0.07923) + 0.005
        "matches", pytest.approx(0.43 - 0.08486, abs=2e-5), pytest.approx(0.43 + 0.08486, abs=2e-5),
    )  # fmt: skip
    assert {(r["repeat_low"], r["repeat_high"]) for i, r in rows.items() if i != row["id"]} == {(None, None)}


def test_the_command_says_what_is_wrong(house):
    done = run("claims", "--verdict", "nearly")
    assert done.returncode == 2
    assert "not-reproduced" in done.stderr
    path = claims.record("centroid_defense", {CELL: ONE}, {})
    path.write_text("{")
    done = run("claims")
    assert done.returncode == 2
    assert re.search(r"^python -m fairlib claims: .*centroid_defense\.json is damaged", done.stderr)
    assert "Traceback" not in done.stderr
