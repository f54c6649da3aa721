"""The ledger: each rule against hand-computed verdicts, the data files against the papers' tables, what readers see."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import test_browser
from bs4 import BeautifulSoup
from hypothesis import assume, given
from hypothesis import strategies as st

from fairlib import __main__
from fairlib.book import claims, runner
from fairlib.book.claims import NOT_REPRODUCED, NOT_TESTABLE, NOT_YET, PARTLY, RELEASED_BUG, REPRODUCED, RULES, Estimate

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
browser = test_browser.browser
CELL = "FullyConnected/MNIST/defended/eps=0.1"  # printed: 0.42 of 150 images
RANK = {REPRODUCED: 2, PARTLY: 1, NOT_REPRODUCED: 0}


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with the claims and nothing recorded."""
    shutil.copytree(DATA / "claims", tmp_path / "claims")
    (tmp_path / "SHA256SUMS").write_text("")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path


def at(value: float, low: float | None = None, high: float | None = None, **other) -> Estimate:
    low, high = (value if end is None else end for end in (low, high))
    return Estimate(value=value, low=low, high=high, anchor="cell", **other)


def verdict(identity: str) -> str:
    return claims.ledger().set_index("id").loc[identity, "verdict"]


# --- The rules. ---

# sd 0.02 over 10 trainings, 150 images:
# hypot(2.26216 * 0.02 * sqrt(1.1), 1.95996 * sqrt(0.2464 / 150)) + 0.005 = 0.0975.
TEN = at(0.44, 0.43, 0.45, sd=0.02, seeds=10)
WIDE = at(0.44, 0.30, 0.58, sd=0.1, seeds=10)  # hypot(2.26216 * 0.1 * sqrt(1.1), 0.07944) + 0.005 = 0.2551
# sd 0.001 over 10 trainings, 10,000 images:
# hypot(2.26216 * 0.001 * sqrt(1.1), 1.95996 * sqrt(0.2464 / 10000)) + 0.005 = 0.0150.
SHARP = at(0.44, 0.43, 0.45, sd=0.001, seeds=10)
# One training, [0.43, 0.46], 150 images: upwards hypot(0.02, 1.95996 * sqrt(0.2464 / 150)) + 0.005 = 0.0869,
# downwards hypot(0.01, 0.07944) + 0.005 = 0.0851.
ONE = at(0.44, 0.43, 0.46)


@pytest.mark.parametrize(
    ("rule", "estimate", "parameters", "expected"),
    [
        ("matches", TEN, {"value": 0.49, "n": 150, "decimals": 2}, REPRODUCED),  # both
        ("matches", TEN, {"value": 0.39, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", TEN, {"value": 0.491, "n": 150, "decimals": 2}, PARTLY),  # a repetition reaches it
        ("matches", TEN, {"value": 0.491, "n": 150, "decimals": 2, "near": 0.102}, REPRODUCED),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2}, PARTLY),  # near
        ("matches", TEN, {"value": 0.549, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", TEN, {"value": 0.549, "n": 150, "decimals": 2, "near": 0.11}, PARTLY),
        ("matches", TEN, {"value": 0.537, "n": 150, "decimals": 2, "near": 0.08}, PARTLY),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2, "near": 0.08}, NOT_REPRODUCED),
        ("matches", TEN, {"value": 0.537, "n": 150, "decimals": 2, "near": 0.2}, REPRODUCED),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2, "near": 0.2}, PARTLY),
        ("matches", WIDE, {"value": 0.49, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", WIDE, {"value": 0.695, "n": 150, "decimals": 2}, PARTLY),  # too wide to decide
        ("matches", WIDE, {"value": 0.696, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches_range", TEN, {"low": 0.3, "high": 0.5, "n": 150, "decimals": 2}, REPRODUCED),  # inside
        ("matches_range", TEN, {"low": 0.49, "high": 0.8, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches_range", TEN, {"low": 0.491, "high": 0.8, "n": 150, "decimals": 2}, PARTLY),
        ("matches_range", TEN, {"low": 0.1, "high": 0.39, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches_range", TEN, {"low": 0.1, "high": 0.389, "n": 150, "decimals": 2}, PARTLY),
        ("matches_range", TEN, {"low": 0.1, "high": 0.339, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches_range", WIDE, {"low": 0.695, "high": 0.8, "n": 150, "decimals": 2}, PARTLY),
        ("matches_range", WIDE, {"low": 0.696, "high": 0.8, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", SHARP, {"value": 0.455, "n": 10_000, "decimals": 2}, REPRODUCED),
        ("matches", SHARP, {"value": 0.456, "n": 10_000, "decimals": 2}, PARTLY),
        ("matches", SHARP, {"value": 0.54, "n": 10_000, "decimals": 2}, PARTLY),
        ("matches", SHARP, {"value": 0.541, "n": 10_000, "decimals": 2}, NOT_REPRODUCED),
        ("matches", ONE, {"value": 0.5268, "n": 150, "decimals": 2, "near": 0.18}, REPRODUCED),
        ("matches", ONE, {"value": 0.5270, "n": 150, "decimals": 2, "near": 0.18}, PARTLY),
        ("matches", ONE, {"value": 0.3550, "n": 150, "decimals": 2, "near": 0.18}, REPRODUCED),
        ("matches", ONE, {"value": 0.3547, "n": 150, "decimals": 2, "near": 0.18}, PARTLY),
        ("matches", at(600.0, 590.0, 615.0), {"value": 615.005, "decimals": 2, "near": 150.0}, REPRODUCED),
        ("matches", at(600.0, 590.0, 615.0), {"value": 615.02, "decimals": 2, "near": 150.0}, PARTLY),
        ("matches", at(600.0, 590.0, 615.0), {"value": 449.9, "decimals": 2, "near": 150.0}, NOT_REPRODUCED),
        ("matches", at(0.0, 0.0, 0.0), {"value": 0.0, "n": 150, "decimals": 2}, REPRODUCED),
        ("between", at(0.17, 0.15, 0.2), {"low": 0.15, "high": 0.2}, REPRODUCED),
        ("between", at(0.17, 0.146, 0.204), {"low": 0.15, "high": 0.2, "decimals": 2}, REPRODUCED),
        ("between", at(0.17, 0.146, 0.204), {"low": 0.15, "high": 0.2}, PARTLY),
        ("between", at(0.14, 0.13, 0.151), {"low": 0.15, "high": 0.2}, PARTLY),
        ("between", at(0.13, 0.12, 0.149), {"low": 0.15, "high": 0.2}, NOT_REPRODUCED),
        ("between", at(0.23, 0.21, 0.25), {"low": 0.15, "high": 0.2}, NOT_REPRODUCED),
        ("at_least", at(2.5, 2.0, 3.0), {"value": 2.0}, REPRODUCED),
        ("at_least", at(2.5, 1.9, 3.0), {"value": 2.0}, PARTLY),
        ("at_least", at(1.5, 1.0, 1.9), {"value": 2.0}, NOT_REPRODUCED),
        ("at_most", at(0.003, 0.002, 0.004), {"value": 0.0, "decimals": 2}, REPRODUCED),
        ("at_most", at(0.003, 0.002, 0.006), {"value": 0.0, "decimals": 2}, PARTLY),
        ("at_most", at(0.008, 0.006, 0.009), {"value": 0.0, "decimals": 2}, NOT_REPRODUCED),
        ("positive", at(0.2, 0.1, 0.3), {}, REPRODUCED),
        ("positive", at(0.2, -0.1, 0.3), {}, PARTLY),
        ("positive", at(-0.2, -0.3, -0.1), {}, NOT_REPRODUCED),
        ("positive", at(0.0), {}, NOT_REPRODUCED),
        ("negative", at(-0.2, -0.3, -0.1), {}, REPRODUCED),
        ("negative", at(-0.2, -0.3, 0.1), {}, PARTLY),
        ("negative", at(0.2, 0.1, 0.3), {}, NOT_REPRODUCED),
        ("orders", at(0.5, 0.2, 0.8), {"first": "a", "among": ["a", "b"]}, REPRODUCED),
        ("orders", at(0.5, -0.2, 0.8), {"first": "a", "among": ["a", "b"]}, PARTLY),
        ("orders", at(-0.5, -0.8, -0.2), {"first": "a", "among": ["a", "b"]}, NOT_REPRODUCED),
        ("equals", at(0.025542), {"value": 0.02554, "decimals": 5}, REPRODUCED),
        ("equals", at(0.025546), {"value": 0.02554, "decimals": 5}, NOT_REPRODUCED),
        ("equals", at(0.002431, 0.002398, 0.002464), {"value": 0.00242, "decimals": 5}, REPRODUCED),
        ("equals", at(7), {"value": 7, "decimals": 0}, REPRODUCED),
        ("equals", at(8), {"value": 7, "decimals": 0}, NOT_REPRODUCED),
        ("not_testable", None, {"reason": "no data"}, NOT_TESTABLE),
    ],
)
def test_a_rule_by_hand(rule, estimate, parameters, expected):
    assert RULES[rule](estimate, **parameters) == expected


def test_where_a_repetition_falls():
    """By hand, as above; without images only the trainings spread, without either only the printing."""
    assert claims.repetition(TEN, decimals=2, n=150) == pytest.approx((0.44 - 0.09753, 0.44 + 0.09753), abs=2e-5)
    assert claims.repetition(TEN, decimals=2) == pytest.approx((0.44 - 0.05245, 0.44 + 0.05245), abs=2e-5)
    assert claims.repetition(ONE, decimals=2, n=150) == pytest.approx((0.44 - 0.08507, 0.44 + 0.08692), abs=2e-5)
    assert claims.repetition(at(7.0), decimals=1) == pytest.approx((6.95, 7.05))


def test_a_repetition_falls_there_as_often_as_said():
    """Ten trainings, then one more measured on 150 images: 95 of 100 times inside, whatever the rounding adds."""
    random = np.random.default_rng(0)
    trainings = random.normal(0.44, 0.02, (4000, 10))
    again = random.binomial(150, random.normal(0.44, 0.02, 4000)) / 150
    inside = 0
    for ten, published in zip(trainings, again, strict=True):
        e = at(ten.mean(), sd=ten.std(ddof=1), seeds=10)
        low, high = claims.repetition(e, decimals=12, n=150)
        inside += low <= published <= high
    assert 0.94 < inside / 4000 < 0.97


def too_kind(value, *, n=150, near=0.10, **_):
    """`matches` as it must not be: whatever a repetition may reach is reproduced."""
    low, high = claims.repetition(WIDE, decimals=2, n=n)
    return REPRODUCED if low <= value <= high else PARTLY if abs(value - WIDE.value) <= near else NOT_REPRODUCED


def test_a_range_too_wide_to_decide_gives_no_reproduced(monkeypatch):
    far = {"value": 0.64, "decimals": 2, "n": 150}
    assert too_kind(**far) == REPRODUCED != claims.matches(WIDE, **far) == PARTLY
    near = far | {"value": 0.46}
    assert too_kind(**near) == claims.matches(WIDE, **near) == REPRODUCED
    monkeypatch.setattr(claims, "repetition", lambda e, **_: (e.value, e.value))  # reaches nothing
    assert claims.matches(WIDE, **near) == PARTLY
    assert claims.matches(WIDE, **far) == NOT_REPRODUCED


ACCURACY = st.floats(0, 1)
ESTIMATES = st.one_of(
    st.builds(lambda a, b, c: at(sorted((a, b, c))[1], min(a, b, c), max(a, b, c)), ACCURACY, ACCURACY, ACCURACY),
    st.builds(lambda a, sd, m: at(a, sd=sd, seeds=m), ACCURACY, st.floats(0, 0.2), st.integers(2, 20)),
)


@given(ESTIMATES, st.floats(0, 2), st.floats(0, 2), st.sampled_from([1, -1]), st.sampled_from([None, 150, 200]))
def test_a_published_value_further_away_is_never_judged_better(e, near, far, side, n):
    assume(near <= far)
    for rule, other in (("matches", {"n": n, "decimals": 2}), ("equals", {"decimals": 2})):
        closer, further = (RULES[rule](e, value=e.value + side * d, **other) for d in (near, far))
        assert RANK[further] <= RANK[closer]


@given(ESTIMATES, st.floats(-1, 2), st.sampled_from([None, 150, 200]), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_range_is_judged_no_worse_than_any_number_in_it(e, value, n, below, above):
    printed = claims.matches(e, value=value, n=n, decimals=2)
    assert claims.matches_range(e, low=value, high=value, n=n, decimals=2) == printed
    assert RANK[claims.matches_range(e, low=value - below, high=value + above, n=n, decimals=2)] >= RANK[printed]
    if printed == REPRODUCED:
        assert abs(value - e.value) <= 0.05 + 1e-8


@given(ESTIMATES, st.integers(-50, 150), st.sampled_from([None, 150]), st.integers(2, 4))
def test_the_range_shown_holds_a_printed_number_exactly_if_the_range_does(e, hundredths, n, decimals):
    low, high = claims.repetition(e, decimals=2, n=n)
    shown = claims.repeats({"repeat_low": low, "repeat_high": high, "decimals": decimals})
    first, last = map(float, re.fullmatch(r"a repetition: (\S+) to (\S+)", shown).groups())
    assert (first <= hundredths / 100 <= last) == (low <= hundredths / 100 <= high)


@given(ESTIMATES, st.floats(-1, 2), st.floats(0, 2))
def test_a_stricter_bound_is_never_judged_better(e, bound, more):
    assert RANK[claims.at_least(e, value=bound + more)] <= RANK[claims.at_least(e, value=bound)]
    assert RANK[claims.at_most(e, value=bound - more)] <= RANK[claims.at_most(e, value=bound)]
    inside = claims.between(e, low=bound, high=bound + more)
    assert RANK[inside] <= min(RANK[claims.at_least(e, value=bound)], RANK[claims.at_most(e, value=bound + more)])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"low": 0.5}, "low <= value <= high"),
        ({"high": None}, "finite numbers"),
        ({"value": float("nan")}, "finite numbers"),
        ({"high": float("inf")}, "finite numbers"),
        ({"anchor": ""}, "anchor"),
        ({"anchor": 'x" onclick="y'}, "anchor"),
        ({"n": 0}, "number of images"),
        ({"seeds": 0}, "1 or more"),
        ({"sd": 0.1}, "2 trainings"),
        ({"seeds": 5}, "2 trainings"),
        ({"sd": -0.1, "seeds": 5}, "2 trainings"),
    ],
)
def test_an_estimate_that_is_none_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        replace(ONE, **wrong)


# --- The data files. ---


def test_the_cells_are_those_of_the_tables():
    expected = {
        (
            f"pepe-table{r.table}-eps{r.eps:g}-{r.method}",
            f"{r.network}/{r.dataset}/{r.method}/eps={r.eps:g}",
            r.accuracy,
            r.n,
        )
        for r in pd.read_csv(DATA / "tables" / "pepe_tables.csv").itertuples()
    }
    cells = [c for c in claims.load("pepe") if c.id.startswith("pepe-table")]
    assert {(c.id, c.quantity, c.parameters["value"], c.parameters["n"]) for c in cells} == expected
    assert len(cells) == 72
    assert {(c.rule, c.parameters["decimals"]) for c in cells} == {("matches", 2)}
    assert all(f" {round(100 * c.parameters['value'])} %" in c.says for c in cells)


# Table 1 as printed: success in per cent, L1, L2, L-infinity, LPIPS, DISTS.
PRINTED = """
perc_al  100   633.12  2.22 0.085 33.96 33.82
pgd      100   592.74  1.56 0.005 7.82  8.77
ppgd     95.75 2544.21 6.60 0.115 81.57 51.08
lpa      99.78 2157.77 5.31 0.049 51.64 35.92
ours_a=0 100   783.86  1.91 0.006 7.30  8.17
ours_a=1 100   1965.10 4.45 0.014 22.24 21.47
ours_a=5 100   3925.55 8.53 0.029 44.89 40.05
"""


def test_the_cells_are_those_of_the_second_papers_table():
    expected = {}
    for method, success, *distances in map(str.split, PRINTED.split("\n")[1:-1]):
        expected[f"{method}/success"] = f"{float(success) / 100:.{4 if '.' in success else 2}f}"
        expected |= {f"{method}/{c}": d for c, d in zip(("L1", "L2", "Linf", "LPIPS", "DISTS"), distances, strict=True)}
    cells = claims.ledger("hua").query("id.str.startswith('hua-table1-')")
    quantities = {c.id: c.quantity for c in claims.load("hua")}
    assert {quantities[r.id]: r.published for r in cells.itertuples()} == expected


def expand(pattern: str) -> list[str]:
    """a{b,c} -> ab, ac."""
    parts = [part.strip("{}").split(",") if part[:1] == "{" else [part] for part in re.split(r"({[^}]*})", pattern)]
    return ["".join(choice) for choice in itertools.product(*parts)]


def test_the_readme_lists_every_quantity_and_cause():
    sections = re.split(r"^## ", (DATA / "claims" / "README.md").read_text(), flags=re.MULTILINE)[1:]
    texts = {section.split("\n", 1)[0]: section for section in sections}
    listed = {
        chapter: sorted(q for row in re.findall(r"^\| `([^`]+)` \|", texts[chapter], re.MULTILINE) for q in expand(row))
        for chapter in claims.CHAPTERS
    }
    every = claims.load()
    assert listed == {
        chapter: sorted({q for c in every if c.chapter == chapter for q in (c.quantity, c.quantity_released) if q})
        for chapter in claims.CHAPTERS
    }
    assert list(claims.causes()) == sorted({c.cause for c in every if c.cause})


def test_a_number_of_the_paper_is_judged_alike_wherever_it_stands():
    """ "About 0.2" and "15 to 20 points" of one gain; a cell of a table and "falls to 0" of the same accuracy."""
    every = {c.id: c for c in claims.load()}
    spreads = {c.quantity: c.parameters["n"] for c in every.values() if c.rule == "matches" and "n" in c.parameters}
    ranges = [c for c in every.values() if c.rule == "matches_range"]
    assert len(ranges) == 8
    for claim in ranges:
        assert (claim.parameters["low"], claim.parameters["high"], claim.parameters["decimals"]) == (0.15, 0.2, 2)
        assert claim.parameters["n"] == spreads.get(claim.quantity, claim.parameters["n"])
        assert claim.parameters["n"] == (150 if claim.quantity.startswith("FullyConnected") else 200)
    table = claims.ledger().set_index("id")["verdict"]
    rivals = {
        c.quantity: [d.id for d in ranges if d.quantity == c.quantity] for c in every.values() if "about 0.2" in c.says
    }
    for c in every.values():
        if "gain" in c.says and "about 0.2" in c.says:
            (other,) = rivals[c.quantity]
            assert {table[c.id], table[other]} != {REPRODUCED, NOT_REPRODUCED}
    for network, number in (("fc", 2), ("lenet", 4)):
        assert table[f"pepe-figure2-zero-{network}"] == table[f"pepe-table{number}-eps0.2-defenseless"]


def test_what_is_not_reproduced_says_why_on_a_page_that_has_the_label():
    pages = {path.stem: path.read_text() for path in (ROOT / "notebooks").glob("*.md")}
    causes = claims.ledger(verdict=NOT_REPRODUCED).set_index("id")["cause"]
    assert len(causes) > 50
    places = {i: cause.partition("#")[::2] for i, cause in causes.items()} | {
        cause: cause.partition("#")[::2] for cause in claims.causes()
    }
    assert [i for i, (chapter, label) in places.items() if f"\n({label})=\n" not in pages.get(chapter, "")] == []


def test_the_ledger_is_large_and_says_things_in_its_own_words():
    every = claims.load()
    assert [c.id for c in every] == [c.id for p in claims.PAPERS for c in claims.load(p)]
    assert all(c.id.startswith(f"{c.paper}-") and re.fullmatch(r"[\w.-]+", c.id) for c in every)
    assert len({c.id for c in every}) == len(every) > 400
    assert all(c.says.endswith(".") and len(c.says) < 200 for c in every)
    assert len({c.says for c in every}) == len(every)


BAD = {
    "duplicate": ('id = "pepe-table1-eps0-defended"', 'id = "pepe-table1-eps0-loose"', "stands twice"),
    "unknown rule": ('rule = "positive"', 'rule = "hopeful"', "expected one of: matches"),
    "unknown chapter": ('chapter = "fgsm"', 'chapter = "fgms"', "expected one of: training"),
    "missing parameter": ("value = 0.42\n", "", "lacks value"),
    "unknown parameter": ("n = 150\n", "m = 150\n", "'m', which is no field"),
    "parameter of another type": ("value = 0.42\n", 'value = "0.42"\n', "expected"),
    "no place": ('place = "Section 3.1"\n', "", "place"),
    "no quantity": (f'quantity = "{CELL}"\n', "", "needs one"),
    "quantity of another type": (f'quantity = "{CELL}"\n', "quantity = 3\n", "expected a text"),
    "cause on no page": ('cause = "ambiguities#', 'cause = "ambiguity#', "give it a line in causes.toml"),
    "no TOML": ("\n[[claim]]\n", "\n[[claim]\n", "not valid TOML"),
}


@pytest.mark.parametrize(("old", "new", "said"), BAD.values(), ids=list(BAD))
def test_a_damaged_ledger_is_refused(house, old, new, said):
    path = house / "claims" / "pepe.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=re.escape(said)):
        claims.load()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"pepe\.toml is missing"):
        claims.load("pepe")


# --- Estimates and verdicts. ---


def test_what_is_recorded_is_read_back(house):
    path = claims.record("centroid_defense", {CELL: TEN}, {"device": "cpu", "seeds": 10})
    assert path == house / "results" / "estimates" / "centroid_defense.json"
    assert claims.recorded("centroid_defense") == {CELL: TEN}
    assert json.loads(path.read_text())["provenance"] == {"device": "cpu", "seeds": 10}
    claims.record("centroid_defense", {CELL: ONE}, {})
    assert claims.recorded("centroid_defense") == {CELL: ONE}
    assert claims.recorded("fgsm") == {}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_changed_number_moves_the_verdict(house):
    cell = "pepe-table1-eps0.1-defended"
    assert verdict(cell) == NOT_YET
    for value, expected in (
        (0.43, REPRODUCED),
        (0.36, PARTLY),
        (0.33, PARTLY),
        (0.23, NOT_REPRODUCED),
        (0.53, NOT_REPRODUCED),
    ):
        claims.record("centroid_defense", {CELL: at(value, value - 0.01, value + 0.01)}, {})
        assert verdict(cell) == expected
    table = claims.ledger("pepe").set_index("id")
    assert table.drop(cell)["verdict"].isin([NOT_YET, NOT_TESTABLE]).all()
    # The other side of the comparison: the printed value.
    path = house / "claims" / "pepe.toml"
    path.write_text(path.read_text().replace("value = 0.42\n", "value = 0.53\n", 1))
    assert verdict(cell) == REPRODUCED


def test_the_released_bug_counts_only_where_the_text_fails(house):
    text, bug = "FullyConnected/MNIST/sets=2/range", "FullyConnected/MNIST/sets=2/released/range"
    small, large = at(0.02, 0.01, 0.03), at(0.4, 0.39, 0.41)
    for estimates, expected in (
        ({bug: small}, NOT_YET),
        ({text: large}, NOT_REPRODUCED),
        ({text: large, bug: large}, NOT_REPRODUCED),
        ({text: large, bug: small}, RELEASED_BUG),
        ({text: small, bug: large}, REPRODUCED),
        ({text: at(0.05, 0.04, 0.06), bug: small}, PARTLY),
    ):
        claims.record("ablations", estimates, {})
        row = claims.ledger().set_index("id").loc["pepe-figure4-stable-fc-2"]
        assert row["verdict"] == expected
        assert (row["cause"] == "ablations#why-figure-4") == (expected not in (REPRODUCED, NOT_YET))


def test_a_claim_that_cannot_be_tested_never_asks_for_a_number(house):
    table = claims.ledger(verdict=NOT_TESTABLE)
    assert set(table["id"]) == {c.id for c in claims.load() if c.rule == "not_testable"}
    assert table["reason"].str.len().min() > 20
    assert table["ours"].isna().all()


def test_the_filters_select(house):
    claims.record("centroid_defense", {CELL: TEN}, {})
    assert list(claims.ledger("pepe", REPRODUCED)["id"]) == ["pepe-table1-eps0.1-defended"]
    assert len(claims.ledger("hua", REPRODUCED)) == 0
    of_chapter = claims.ledger(chapter="fgsm")
    assert list(of_chapter["id"]) == [c.id for c in claims.load() if c.chapter == "fgsm"]
    assert list(claims.ledger("pepe", REPRODUCED, "centroid_defense")["id"]) == ["pepe-table1-eps0.1-defended"]
    everything = claims.ledger()
    assert claims.counts(everything).loc[REPRODUCED].to_dict() == {"pepe": 1, "hua": 0, "all": 1}
    assert claims.counts(everything)["all"].sum() == len(everything) == len(claims.load())


def test_what_nothing_has_is_not_counted(house):
    table = claims.counts(claims.ledger("hua"))
    untestable = sum(c.rule == "not_testable" for c in claims.load("hua"))
    assert table.to_dict("index") == {
        NOT_TESTABLE: {"hua": untestable, "all": untestable},
        NOT_YET: {"hua": len(claims.load("hua")) - untestable, "all": len(claims.load("hua")) - untestable},
    }
    assert claims.as_text(claims.ledger("hua", REPRODUCED)) == "no such claim"


def test_the_verdicts_are_summed_up_by_kind(house):
    assert claims.amounts(claims.ledger()) == []
    gain = CELL.replace("defended", "gain")
    cells = {CELL: at(0.42), CELL.replace("0.1", "0.2"): at(0.5), CELL.replace("0.1", "0.3"): at(0.11)}
    claims.record("centroid_defense", cells | {gain: at(0.17)}, {})  # > 0, 15 to 20 points, and about 0.2
    claims.record("table1", {"pgd/success": at(0.5)}, {})
    assert claims.amounts(claims.ledger()) == [
        "Pepe: of the 3 numbers in the tables, 67 % reproduced, 33 % not reproduced; "
        "of the 3 other claims, 100 % reproduced.",
        "Hua et al.: of the 1 numbers in the tables, 100 % not reproduced.",
    ]


def test_bad_names_are_refused(house):
    for call in (claims.load, claims.ledger):
        with pytest.raises(ValueError, match="paper is 'pape', expected one of: pepe, hua"):
            call("pape")
    with pytest.raises(ValueError, match="verdict is 'nearly'"):
        claims.ledger(verdict="nearly")
    with pytest.raises(ValueError, match="chapter is 'fgms'"):
        claims.ledger(chapter="fgms")
    with pytest.raises(ValueError, match=re.escape("chapter is 'x/../y'")):
        claims.record("x/../y", {}, {})
    with pytest.raises(ValueError, match=re.escape("asks for FullyConnected/MNIST/defended/eps=0.15")):
        claims.record("centroid_defense", {f"{CELL}5": ONE}, {})
    with pytest.raises(ValueError, match="Out of range"):
        claims.record("centroid_defense", {CELL: ONE}, {"seconds": float("nan")})
    assert not (house / "results").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[: len(t) // 2],
        lambda t: t.replace('"low": 0.43,', ""),
        lambda t: t.replace('"low": 0.43,', '"low": 0.9,'),
        lambda t: t.replace('"low": 0.43,', '"low": null,'),
        lambda t: t.replace('"estimates"', '"estimate"'),
        lambda t: "[]",
    ],
    ids=["half", "no interval", "interval elsewhere", "null", "no estimates", "a list"],
)
def test_damaged_estimates_are_refused(house, change):
    path = claims.record("centroid_defense", {CELL: ONE}, {})
    assert change(path.read_text()) != path.read_text()
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=r"centroid_defense\.json is damaged .*git checkout"):
        claims.ledger()


# --- What readers see. ---


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


@pytest.fixture
def dashboard(house) -> BeautifulSoup:
    bug = {f"FullyConnected/MNIST/sets=2/{x}range": at(v) for x, v in (("", 0.4), ("released/", 0.02))}
    claims.record("ablations", bug, {})
    claims.record("centroid_defense", {CELL: replace(TEN, anchor="tab-1")}, {})
    return BeautifulSoup(claims.dashboard_html(claims.ledger()), "html.parser")


def test_the_dashboard_counts_then_lists(dashboard):
    tally, table = dashboard.select("table")
    frame = claims.ledger()
    shown = {tr["data-verdict"]: [int(td.text) for td in tr("td")] for tr in tally.tbody("tr")}
    assert shown == {v: list(row) for v, *row in claims.counts(frame).itertuples()}
    assert set(shown) == {REPRODUCED, RELEASED_BUG, NOT_TESTABLE, NOT_YET}  # no row for what no claim is
    assert [o["value"] for o in dashboard.select_one("[name=verdict]")("option")] == ["", *shown]
    assert [p.text for p in dashboard("p") if "role" not in p.attrs] == claims.amounts(frame)
    rows = table.tbody("tr")
    assert [tr["id"] for tr in rows] == list(frame["id"])
    assert all(tr.th.text.endswith(tr["data-verdict"]) for tr in rows)  # said in words, not by colour only
    assert all(th["scope"] in ("col", "row") for th in dashboard("th"))
    assert tally.caption and table.caption
    assert all(control.find_parent("label") for control in dashboard(["select", "input"]))


def test_a_row_leads_to_its_cell_and_its_cause(dashboard):
    links = {tr["id"]: [a["href"] for a in tr("a")] for tr in dashboard.select(".claims tbody tr") if tr("a")}
    assert links == {
        "pepe-table1-eps0.1-defended": ["../notebooks/centroid_defense.html#tab-1"],
        "pepe-figure4-stable-fc-2": [
            "../notebooks/ablations.html#cell",
            "../notebooks/ablations.html#why-figure-4",
        ],
    }
    bug = dashboard.find(id="pepe-figure4-stable-fc-2")
    assert "0.40 [0.40, 0.40]; 0.02 with the bug" in bug.text
    assert f"Why: {claims.causes()['ablations#why-figure-4']}" in bug.text
    assert [s.text for s in dashboard.find(id="pepe-table1-eps0.1-defended")("small")][1:] == [
        "a repetition: 0.35 to 0.53"  # 0.3425 to 0.5375, rounded inwards
    ]
    assert "a repetition" not in bug.text


def test_the_dashboard_escapes_what_it_shows():
    missing = dict.fromkeys(("ours", "repeat_low"), float("nan"))
    row = dict.fromkeys(claims.COLUMNS, "<b>&") | {"paper": "hua", "verdict": NOT_YET, "cause": ""} | missing
    shown = claims.dashboard_html(pd.DataFrame([row]))
    assert "<b>" not in shown
    assert BeautifulSoup(shown, "html.parser").select_one(".claims td").text.startswith("<b>&")


def chapter_page(chapter: str) -> BeautifulSoup:
    return BeautifulSoup(claims.chapter_html(chapter), "html.parser")


def test_a_chapter_lists_its_claims(house):
    claims.record("fgsm", {"gray/MNIST/largest_distance": at(0.5)}, {})
    page = chapter_page("fgsm")
    frame = claims.ledger().query("chapter == 'fgsm'")
    (table,) = page("table")
    assert [tr["id"] for tr in table.tbody("tr")] == list(frame["id"])
    assert not page.details
    assert page.find(id="pepe-gray-budget-mnist").th.text.endswith(REPRODUCED)
    assert page.find(id="pepe-gray-budget-fashion").th.text.endswith(NOT_YET)
    with pytest.raises(ValueError, match="chapter is 'fsgm'"):
        claims.chapter_html("fsgm")


def test_a_chapter_with_many_claims_counts_them_by_place(house):
    claims.record("centroid_defense", {CELL: TEN, CELL.replace("0.1", "0.2"): at(0.5)}, {})
    page = chapter_page("centroid_defense")
    frame = claims.ledger().query("chapter == 'centroid_defense'")
    tally = page.table
    heads = [th.text.split(" ", 1)[-1] for th in tally.thead("th")]
    assert heads == ["Place", REPRODUCED, NOT_REPRODUCED, NOT_YET]
    rows = {tr.th.text: [int(td.text) for td in tr("td")] for tr in tally.tbody("tr")}
    assert list(rows) == list(frame["place"].unique())
    assert rows["Appendix A, table 1"] == [1, 1, 16]
    assert sum(map(sum, rows.values())) == len(frame) == len(page.details.tbody("tr"))
    assert f"{len(frame)} claims" in page.summary.text


def test_the_runner_records_what_the_experiments_estimate(house, monkeypatch, capsys):
    gray = {"value": 0.5, "low": 0.5, "high": 0.5, "anchor": "cell"}

    def missing():
        raise FileNotFoundError("no results of seeds")

    unit = SimpleNamespace(units=lambda profile: [{"n": 1}], estimates=lambda: {})
    modules = {
        "ablations": unit,  # without its record
        "fgsm": SimpleNamespace(estimates=lambda: {"gray/MNIST/largest_distance": dict(gray)}),
        "seeds": SimpleNamespace(units=lambda profile: []),
        "training": SimpleNamespace(estimates=missing),
    }
    monkeypatch.setattr(runner, "modules", lambda: modules)
    runner.estimate()
    assert verdict("pepe-gray-budget-mnist") == REPRODUCED
    lacking, first, second = capsys.readouterr().out.splitlines()
    assert lacking == (
        "the ledger gets nothing from ablations yet: 1 of its records missing; run `make reproduce ONLY=ablations/`"
    )
    assert first.endswith("fgsm.json")
    assert second == "the ledger gets nothing from training yet: no results of seeds"
    path = house / "results" / "estimates" / "fgsm.json"
    assert json.loads(path.read_text())["provenance"]["commit"]
    before = path.stat().st_ino
    runner.estimate()
    assert path.stat().st_ino == before  # what is the same is not written again, with another date
    gray["value"] = gray["low"] = 0.3
    runner.estimate()
    assert verdict("pepe-gray-budget-mnist") == REPRODUCED  # its interval still holds 0.5
    gray["high"] = 0.3
    runner.estimate()
    assert verdict("pepe-gray-budget-mnist") == NOT_REPRODUCED


@pytest.mark.parametrize("width", [360, 1200])
def test_the_filters_work_offline_and_on_a_phone(browser, dashboard, house, width):
    (house / "_static").mkdir()
    for name in ("ledger.js", "custom.css"):
        shutil.copy(ROOT / "book" / "_static" / name, house / "_static")
    (house / "book").mkdir()
    page_file = house / "book" / "intro.html"
    style = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="../_static/custom.css">'
    page_file.write_text(f'{style}<main class="cell_output"><div class="text_html">{dashboard}</div></main>')
    options = {"viewport": {"width": width, "height": 740}}
    with test_browser.opened(browser, page_file.as_uri(), **options) as (page, wanted):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.text_html'))")
        assert page.locator(".claims td").first.evaluate("e => getComputedStyle(e).textAlign") == "left"
        everything = len(claims.load())
        shown = page.locator(".claims tbody tr:visible")
        assert shown.count() == everything
        page.select_option("[name=verdict]", RELEASED_BUG)
        assert shown.count() == 1
        assert page.locator("[role=status]").inner_text() == f"1 of {everything} claims"
        page.select_option("[name=verdict]", "")
        page.select_option("[name=paper]", "hua")
        assert shown.count() == len(claims.load("hua"))
        page.fill("[name=text]", "jpeg PerC-AL")
        assert shown.evaluate_all("rows => rows.map(r => r.id)") == ["hua-jpeg-a1-perc-al"]
        page.fill("[name=text]", "no such claim")
        assert shown.count() == 0
    assert wanted == []
