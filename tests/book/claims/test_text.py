"""Counts, sums and numbers as they are shown, and the ledger on the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from book.claims.hand_made import CELL, ESTIMATES, ONE, OTHERS, at
from hypothesis import given
from hypothesis import strategies as st

from fairlib import __main__
from fairlib.book import claims
from fairlib.book.claims import NOT_REPRODUCED, REPRODUCED

ROOT = Path(__file__).resolve().parents[3]
FAR = dict.fromkeys(OTHERS, at(0.8))


@given(ESTIMATES, st.integers(-50, 150), st.sampled_from([None, 150]), st.integers(2, 4))
def test_the_range_shown_holds_a_printed_number_exactly_if_the_range_does(e, hundredths, n, decimals):
    low, high = claims.repetition(e, decimals=2, n=n)
    shown = claims.repeats({"repeat_low": low, "repeat_high": high, "decimals": decimals})
    first, last = map(float, re.fullmatch(r"a repetition: (\S+) to (\S+)", shown).groups())
    assert (first <= hundredths / 100 <= last) == (low <= hundredths / 100 <= high)


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        (at(0.4321, 0.4222, 0.4419), "0.43 [0.42, 0.44]"),
        (at(0.00231, 0.00187, 0.00276), "0.0023 [0.0019, 0.0028]"),
        (at(-0.013, -0.025, -0.0011), "-0.013 [-0.025, -0.001]"),
        (at(0.01, 0.0, 0.03), "0.01 [0.00, 0.03]"),
        (at(7), "7.00 [7.00, 7.00]"),
        (at(-3e-10), "0.00 [0.00, 0.00]"),  # exact but for the machine's rounding
        (at(1.65e-8, 0.0, 6.921e-7), "2·10⁻⁸ [0, 7·10⁻⁷]"),
    ],
)
def test_a_number_is_shown_as_finely_as_its_interval_asks(house, estimate, shown):
    claims.record("centroid_defense", {CELL: estimate}, {})
    [row] = claims.ledger().query("ours.notna()").to_dict("records")
    assert claims.here(row) == shown


def test_what_is_exact_is_shown_as_the_paper_prints_it(house):
    claims.record("training", {"MNIST/validation_images": at(5000)}, {})
    [row] = claims.ledger().query("ours.notna()").to_dict("records")
    assert claims.here(row) == "5000 [5000, 5000]"


def test_how_a_chapters_claims_fared_counts_the_papers_own_only(house):
    claims.record("training", {"MNIST/validation_images": at(5000), "LeNet5/linear_layers": at(3)}, {})
    own = [c for c in claims.load() if c.chapter == "training" and c.kind == "claim"]
    told = claims.fared("training")
    assert told.startswith(f"Of the paper's {len(own)} claims about this: ")
    verdicts = {c: v for v, c in re.findall(r"(\d+) ([a-z ]+)", told.split(": ")[1])}
    frame = claims.ledger(chapter="training", kind="claim")
    assert {v: int(n) for v, n in verdicts.items()} == frame["verdict"].value_counts().to_dict()
    assert len(frame) < len(claims.ledger(chapter="training"))  # the others are not counted
    with pytest.raises(ValueError, match="chapter"):
        claims.fared("no-chapter")


@pytest.mark.parametrize("chapter", ["table1", "compression", "training"])
def test_a_chapters_claims_fared_as_the_ledger_says_also_where_another_chapter_joins_in(chapter):
    verdicts = {v: int(c) for c, v in re.findall(r"(\d+) ([a-z ]+)", claims.fared(chapter).split(": ")[1])}
    assert verdicts == claims.ledger(chapter=chapter, kind="claim")["verdict"].value_counts().to_dict()


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "fairlib", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_command_prints_text(house):
    claims.record("centroid_defense", {CELL: at(0.23, 0.222, 0.238)} | FAR, {})
    done = run("claims", "--paper", "pepe", "--verdict", "not-reproduced")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^not reproduced +1$", done.stdout, re.MULTILINE)
    assert REPRODUCED not in re.sub(f"{NOT_REPRODUCED}|The rule says {REPRODUCED} of", "", done.stdout)
    assert "pepe-table1-eps0.1-defended  (Appendix A, table 1)" in done.stdout
    # 1.95996 sqrt(0.23 * 0.77 / 150) = 0.0673, with 0.008 in quadrature 0.0678, and 0.005: 0.1572 to 0.3028
    assert "paper 0.42, here 0.23 [0.22, 0.24]; a repetition: 0.16 to 0.30\n" in done.stdout
    assert "pepe-table1-eps0-defended" not in done.stdout


def test_the_command_takes_names_as_they_are_written(house, capsys):
    claims.record("centroid_defense", {CELL: at(0.23, 0.22, 0.24)} | FAR, {})

    def printed(*arguments: str) -> str:
        asked = __main__.parser().parse_args(["claims", *arguments])
        return asked.load()(asked)[0]

    found = printed("--paper", "pepe", "--verdict", "not-reproduced")
    assert found.count("paper 0.42") == 1
    assert printed("--paper", "Pepe", "--verdict", "Not reproduced") == found
    assert printed("--chapter", "Centroid_Defense", "--verdict", NOT_REPRODUCED) == found
    assert printed("--paper", "hua", "--verdict", "reproduced") == "no such claim"
    assert printed("--chapter", "fgsm").count("  paper ") == sum(c.chapter == "fgsm" for c in claims.load())
    conjectures = sum(c.kind == "future work" for c in claims.load())
    assert printed("--kind", "future-work").count("  paper ") == printed("--kind", "Future work").count("  paper ")
    assert printed("--kind", "future-work").count("  paper ") == conjectures > 0
    with pytest.raises(SystemExit):
        printed("--chapter", "fgms")
    assert "centroid_defense" in capsys.readouterr().err


def test_the_command_prints_json(house):
    claims.record("centroid_defense", {CELL: at(0.43, 0.42, 0.44)} | FAR, {})
    done = run("claims", "--json")
    assert done.returncode == 0
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert len(rows) == len(claims.load())
    row = rows["pepe-table1-eps0.1-defended"]
    assert (row["verdict"], row["published"], row["low"], row["ours"], row["high"], row["text"]) == (
        REPRODUCED, "0.42", 0.42, 0.43, 0.44, None,
    )  # fmt: skip
    assert (row["rule"], row["repeat_low"], row["repeat_high"]) == (  # hypot(0.01, 0.07923) + 0.005
        "matches", pytest.approx(0.43 - 0.08486, abs=2e-5), pytest.approx(0.43 + 0.08486, abs=2e-5),
    )  # fmt: skip
    assert {i for i, r in rows.items() if r["repeat_low"]} == {  # and the cells that are its alternatives
        row["id"], "pepe-table2-eps0.1-defended", "pepe-table3-eps0.1-defended",
    }  # fmt: skip


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
