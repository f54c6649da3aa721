"""The data files against the papers' tables; what is recorded, read back and judged, and what is refused."""

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from book.claims.hand_made import CELL, ONE, OTHERS, TEN, at, verdict

from fairlib.book import claims, runner, units
from fairlib.book.claims import CODE_ONLY, NOT_REPRODUCED, NOT_TESTABLE, NOT_YET, REPRODUCED, TEXT_ONLY, UNDECIDED

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "data"


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
    assert listed == {chapter: sorted(claims.asked(chapter)) for chapter in claims.CHAPTERS}
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
    swaps = {c.id: c.parameters["alternatives"] for c in every.values() if c.id.startswith("pepe-table")}
    for identity, (data_set, network, chance) in swaps.items():
        own = every[identity].quantity.split("/")
        assert data_set.split("/") == [own[0], *({"MNIST", "FashionMNIST"} - {own[1]}), *own[2:]]
        assert network.split("/") == [*({"FullyConnected", "LeNet5"} - {own[0]}), *own[1:]]
        assert chance == 0.1
    for network, number in (("fc", 2), ("lenet", 4)):
        assert table[f"pepe-figure2-zero-{network}"] == table[f"pepe-table{number}-eps0.2-defenseless"]


UNEXPLAINED = ["pepe-table3-eps0.3-defenseless", "pepe-table4-eps0-defended", "pepe-table4-eps0.3-loose"]


def test_what_is_not_reproduced_says_why_on_a_page_that_has_the_label():
    pages = {path.stem: path.read_text() for path in (ROOT / "notebooks").glob("*.md")}
    table = claims.ledger(verdict=NOT_REPRODUCED).set_index("id")
    causes = table["cause"][~((table["cause"] == "") & table["notes"].str.contains("no effect|is excluded"))]
    causes = causes.drop(UNEXPLAINED)
    assert len(causes) > 50
    places = {i: cause.partition("#")[::2] for i, cause in causes.items()} | {
        cause: cause.partition("#")[::2] for cause in claims.causes()
    }
    pages = {name: text + pages.get(f"check_{name}", "") for name, text in pages.items()}  # a chapter and its audit
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
    "unknown kind": ('kind = "construction"', 'kind = "tautology"', "expected one of: claim, construction"),
    "no smallest effect": ("smallest = 0.02\n", "", "lacks smallest"),
    "alternatives that are none": (", 0.1]\n", ", true]\n", "expected a list of quantities and exact numbers"),
    "a condition that says nothing": ('family = "gray-fgsm"\n', 'condition = "a/b"\n', "go together"),
    "Holm without a family": ('family = "gray-fgsm"\n', "holm = true\n", "within a family"),
    "Holm for a cell": ('family = "table1"\n', 'family = "table1"\nholm = true\n', "holm is for the rules"),
    "holm of another type": ('family = "gray-fgsm"\n', 'holm = "yes"\n', "expected true or false"),
    "joined with nothing": ('family = "gray-fgsm"\n', 'joint = ["pepe-none"]\n', "which is no claim of pepe.toml"),
    "joint of another type": ('family = "gray-fgsm"\n', 'joint = "a"\n', "expected a list of texts"),
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
    far = dict.fromkeys(OTHERS, at(0.8, 0.79, 0.81))
    claims.record("centroid_defense", {CELL: at(0.43, 0.42, 0.44)}, {})
    assert verdict(cell) == NOT_YET  # without its alternatives nothing is decided
    for value, expected in ((0.43, REPRODUCED), (0.36, REPRODUCED), (0.33, NOT_REPRODUCED), (0.53, NOT_REPRODUCED)):
        claims.record("centroid_defense", far | {CELL: at(value, value - 0.01, value + 0.01)}, {})
        assert verdict(cell) == expected
    for other in OTHERS:  # that could print the same
        claims.record("centroid_defense", far | {CELL: at(0.43, 0.42, 0.44), other: at(0.36, 0.35, 0.37)}, {})
        assert verdict(cell) == UNDECIDED
    claims.record("centroid_defense", far | {CELL: at(0.43, 0.1, 0.8)}, {})  # so wide that it could be chance
    assert verdict(cell) == UNDECIDED
    claims.record("centroid_defense", far | {CELL: at(0.53, 0.52, 0.54)}, {})
    table = claims.ledger("pepe").set_index("id")
    assert table.drop(cell)["verdict"].isin([NOT_YET, NOT_TESTABLE]).all()
    # The other side of the comparison: the printed value.
    path = house / "claims" / "pepe.toml"
    path.write_text(path.read_text().replace("value = 0.42\n", "value = 0.53\n", 1))
    assert verdict(cell) == REPRODUCED


def test_text_and_code_have_a_column_each(house):
    text, code = "FullyConnected/MNIST/sets=2/range", "FullyConnected/MNIST/sets=2/released/range"
    small, large, wide = at(0.02, 0.01, 0.03), at(0.4, 0.39, 0.41), at(0.05, 0.04, 0.06)
    for estimates, expected in (
        ({code: small}, NOT_YET),
        ({text: large}, NOT_YET),
        ({text: large, code: large}, NOT_REPRODUCED),
        ({text: large, code: small}, CODE_ONLY),
        ({text: small, code: large}, TEXT_ONLY),
        ({text: small, code: small}, REPRODUCED),
        ({text: wide, code: small}, UNDECIDED),
        ({text: large, code: wide}, UNDECIDED),
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
    claims.record("centroid_defense", {CELL: TEN} | dict.fromkeys(OTHERS, at(0.8)), {})
    assert list(claims.ledger("pepe", REPRODUCED)["id"]) == ["pepe-table1-eps0.1-defended"]
    assert len(claims.ledger("hua", REPRODUCED)) == 0
    of_chapter = claims.ledger(chapter="fgsm")
    assert list(of_chapter["id"]) == [c.id for c in claims.load() if c.chapter == "fgsm"]
    assert list(claims.ledger("pepe", REPRODUCED, "centroid_defense")["id"]) == ["pepe-table1-eps0.1-defended"]
    assert set(claims.ledger(kind="future work")["id"]) == {c.id for c in claims.load() if c.kind == "future work"}
    everything = claims.ledger()
    assert claims.counts(everything).loc[REPRODUCED].to_dict() == {"pepe": 1, "hua": 0, "all": 1}
    assert claims.counts(everything)["all"].sum() == len(everything) == len(claims.load())


def test_bad_names_are_refused(house):
    for call in (claims.load, claims.ledger):
        with pytest.raises(ValueError, match="paper is 'pape', expected one of: pepe, hua"):
            call("pape")
    with pytest.raises(ValueError, match="verdict is 'nearly'"):
        claims.ledger(verdict="nearly")
    with pytest.raises(ValueError, match="chapter is 'fgms'"):
        claims.ledger(chapter="fgms")
    with pytest.raises(ValueError, match="kind is 'all', expected one of: claim"):
        claims.ledger(kind="all")
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
        lambda t: t.replace('"low":0.43,', ""),
        lambda t: t.replace('"low":0.43,', '"low":0.9,'),
        lambda t: t.replace('"low":0.43,', '"low":null,'),
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
    monkeypatch.setattr(units, "modules", lambda: modules)
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
