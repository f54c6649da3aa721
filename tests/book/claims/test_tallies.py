"""The ledger counted by hand."""

import math

import pandas as pd
import pytest
from book.claims.hand_made import CELL, OTHERS, at

from fairlib.book import claims
from fairlib.book.claims import (
    CODE_ONLY,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    NOT_YET,
    PARTLY,
    REPRODUCED,
    UNDECIDED,
)

METHODS = ("perc_al", "pgd", "ppgd", "lpa", "ours_a=0", "ours_a=1", "ours_a=5")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([REPRODUCED, REPRODUCED], REPRODUCED),
        ([REPRODUCED, REPRODUCED, UNDECIDED], REPRODUCED),
        ([REPRODUCED, UNDECIDED, UNDECIDED], UNDECIDED),
        ([NOT_REPRODUCED, NOT_REPRODUCED, NOT_YET], NOT_REPRODUCED),
        ([REPRODUCED, NOT_REPRODUCED], PARTLY),
        ([REPRODUCED, CODE_ONLY], PARTLY),
        ([CODE_ONLY, CODE_ONLY], CODE_ONLY),
        ([UNDECIDED], UNDECIDED),
        ([NOT_YET, NOT_TESTABLE], NOT_YET),
        ([NOT_TESTABLE], NOT_TESTABLE),
    ],
)
def test_a_family_is_what_its_decided_rows_are(verdicts, expected):
    assert claims.family(verdicts) == expected


def frame(*rows: tuple) -> pd.DataFrame:
    """Rows of (family, kind, rule, place, verdict, sensitivity, placebos)."""
    names = ("family", "kind", "rule", "place", "verdict", "sensitivity", "placebos")
    return pd.DataFrame(
        [dict(zip(names, row, strict=True)) | {"paper": "pepe", "id": str(i)} for i, row in enumerate(rows)]
    )


def test_kinds_and_sorts_are_counted_apart():
    table, text, cell = "Appendix A, table 1", "Section 5", {"the wrong network": 1.0, "an untrained network": 0.0}
    found = claims.tallies(
        frame(
            ("t", "claim", "matches", table, REPRODUCED, 0.2, cell),
            ("t", "claim", "matches", table, UNDECIDED, 0.4, cell | {"the wrong network": 0.0}),
            ("n", "claim", "matches_range", text, REPRODUCED, 0.9, {}),
            ("g", "claim", "positive", text, REPRODUCED, 0.5, {"no effect": 0.02}),
            ("g", "claim", "negative", text, NOT_REPRODUCED, 0.7, {"no effect": 0.01}),
            ("h", "claim", "equivalent", text, NOT_YET, math.nan, {}),
            ("b", "claim", "at_most", text, UNDECIDED, math.nan, {}),
            ("c", "construction", "matches", table, REPRODUCED, math.nan, {}),
            ("x", "claim", "not_testable", text, NOT_TESTABLE, math.nan, {}),
        )
    ).set_index("sort")
    assert list(found.index) == ["numbers in the tables", "numbers in the text", "words", "bounds and digits",
                                 "settled by construction"]  # fmt: skip
    assert found["claims"].tolist() == [2, 1, 2, 1, 1]
    cells, words = found.loc["numbers in the tables"], found.loc["words"]
    assert (cells["verdicts"], cells["families"]) == ({REPRODUCED: 1, UNDECIDED: 1}, {REPRODUCED: 1})
    assert cells["placebos"] == {"the wrong network": 0.5, "an untrained network": 0.0}
    assert cells["sensitivity"] == pytest.approx(0.3)
    half = 1.96 * math.sqrt((0.2 * 0.8 + 0.4 * 0.6) / claims.DRAWS) / 2
    assert (cells["sensitivity_low"], cells["sensitivity_high"]) == pytest.approx((0.3 - half, 0.3 + half))
    assert (words["verdicts"], words["families"]) == ({REPRODUCED: 1, NOT_REPRODUCED: 1}, {PARTLY: 1})
    assert words["sensitivity_low"] == words["sensitivity_high"] == pytest.approx(0.6)  # exact, not drawn
    assert words["placebos"] == {"no effect": pytest.approx(0.015)}
    assert math.isnan(found.loc["bounds and digits", "sensitivity"])


def test_the_first_page_counts_claims_only():
    rows = [("a", kind, "positive", "", verdict, 0.5, {}) for kind, verdict in (
        ("claim", REPRODUCED), ("claim", NOT_REPRODUCED), ("claim", NOT_REPRODUCED), ("claim", NOT_YET),
        ("claim", NOT_TESTABLE), ("construction", REPRODUCED), ("book", REPRODUCED), ("future work", UNDECIDED),
    )]  # fmt: skip
    assert claims.decided(frame(*rows)) == {REPRODUCED: 1, NOT_REPRODUCED: 2}


def test_what_nothing_has_is_not_counted(house):
    table = claims.counts(claims.ledger("hua"))
    untestable = sum(c.rule == "not_testable" for c in claims.load("hua"))
    assert table.to_dict("index") == {
        NOT_TESTABLE: {"hua": untestable, "all": untestable},
        NOT_YET: {"hua": len(claims.load("hua")) - untestable, "all": len(claims.load("hua")) - untestable},
    }
    assert claims.as_text(claims.ledger("hua", REPRODUCED)) == "no such claim"


def test_the_verdicts_are_summed_up(house):
    assert claims.amounts(claims.ledger()) == []
    gain = CELL.replace("defended", "gain")
    cells = {CELL: at(0.42), CELL.replace("0.1", "0.2"): at(0.5), CELL.replace("0.1", "0.3"): at(0.11)}
    far = {key.replace("0.1", e): at(0.8) for key in OTHERS for e in ("0.1", "0.2", "0.3")}
    claims.record("centroid_defense", cells | far | {gain: at(0.17), f"text/{gain}": at(0.17)}, {})
    claims.record("table1", {f"{method}/success": at(0.5) for method in METHODS}, {})
    tables, numbers, bounds, rest = claims.amounts(claims.ledger())
    assert tables.startswith(
        "Pepe, numbers in the tables: of 1 families 1 partly; of 3 claims 1 reproduced, 1 not reproduced, 1 undecided. "
        "The rule says reproduced of "
    )
    assert "with another training of ours in the paper's place; 0.0 % with the wrong data set; 0.0 %" in tables
    # 15 to 20 points, about 0.2, and five points or more
    assert numbers.startswith("Pepe, numbers in the text: of 2 claims 2 reproduced. ")
    assert bounds == "Pepe, bounds and digits: of 1 claims 1 reproduced."
    assert rest.startswith(
        "Hua et al., numbers in the tables: of 1 families 1 not reproduced; of 7 claims 7 not reproduced."
    )
