"""The second paper's ledger against the book's pages, what it says without records, and how an effect reads."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from book.experiments.ambiguities_hua.hand_made import table, write_table

from fairlib.book import claims, runner
from fairlib.book.experiments.ambiguities_hua import choices

ROOT = Path(__file__).resolve().parents[4]


def test_without_records_each_row_says_what_is_missing(house):
    """But for the printed norms, which need none."""
    ledger = choices.ledger()
    effects, reasons = choices.measured(ledger)
    assert set(effects["measure"]) == {"norms"}
    by = ledger.set_index("row")
    assert set(reasons) == set(by.index) - set(effects["row"])
    assert {row: reasons[row] for row in reasons if by.why[row]} == {row: why for row, why in by.why.items() if why}
    told = {row: reason for row, reason in reasons.items() if not by.why[row]}
    assert all(reason.startswith("not measured here: ") for reason in told.values())
    assert not any(str(house) in reason for reason in told.values())
    of = {by.measures[row].partition(";")[0]: reason for row, reason in told.items()}
    assert of["rounding"] == "not measured here: the records behind truncation are not complete"
    assert of["weights"].startswith("not measured here: the records behind trust are not complete")


def test_a_measured_row_has_no_reason(house):
    write_table(table())
    ledger = choices.ledger()
    effects, reasons = choices.measured(ledger)
    assert list(effects) == choices.COLUMNS
    by = {measures: row for row, measures in zip(ledger["row"], ledger["measures"], strict=True)}
    assert set(effects["row"]) >= {by["confidence"], by["mildest"], by["means_over"]}
    assert set(effects["row"]).isdisjoint(reasons)
    assert set(effects["row"]) | set(reasons) == set(ledger["row"])


@pytest.mark.parametrize(
    ("kind", "numbers", "told"),
    [
        ("times", (1.5, 1.25, 12.345), "LPIPS × 1.50 [1.25, 12] (a switch; 6 images)"),
        ("times", (0.0284, 0.02, 0.1), "LPIPS × 0.028 [0.02, 0.10] (a switch; 6 images)"),
        ("share", (-0.05, -0.1, -0.001), "LPIPS -0.05 [-0.10, +0.00] (a switch)"),
        ("slope", (-4.52e-05, -0.00574, 0.00564), "LPIPS +0.0000 [-0.0057, +0.0056] (a switch)"),
        ("number", (0.000171, 0.000169, 0.000173), "a switch: 0.000171 [0.000169, 0.000173]"),
        ("number", (100.0, 100.0, 100.0), "a switch: 100"),
    ],
)
def test_effects_in_words(kind, numbers, told):
    value, low, high = numbers
    effect = SimpleNamespace(variant="a switch", outcome="LPIPS", kind=kind, value=value, low=low, high=high, n=6)
    effect.of, effect.off_levels = 6, False
    assert choices.text(effect) == told
    effect.of, effect.off_levels = 9, True
    assert choices.text(effect) == told.replace("6 images", "6 of 9 images, not rounded to 256 levels")


def test_the_sources_are_those_that_are_asked(house, monkeypatch):
    asked = set()
    for module, name in ((runner, "records"), (claims, "recorded")):
        own = getattr(module, name)
        monkeypatch.setattr(module, name, lambda chapter, own=own: asked.add(chapter) or own(chapter))
    choices.measured(choices.ledger())
    assert asked == set(choices.SOURCES)
    assert set(choices.ROLES) <= set(choices.EFFECTS)


def test_unknown_measures_are_refused():
    with pytest.raises(ValueError, match="measure is 'dreams', expected one of: beside_paper"):
        choices.effects("dreams")


def anchors(page: str) -> set[str]:
    """Labels, names of figures, and headings as the site makes ids of them."""
    headings = re.findall(r"^#+ (.+)$", page, re.M)
    slugs = {re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") for heading in headings}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", page, re.M)) | set(re.findall(r"^ +name: ([\w-]+)$", page, re.M))


def pages() -> dict[str, set[str]]:
    """The places of each chapter, and of its audit where that has a page of its own."""
    found = {path.stem: anchors(path.read_text()) for path in (ROOT / "notebooks").glob("*.md")}
    return {name: own | found.get(f"check_{name}", set()) for name, own in found.items()}


def test_every_row_leads_to_a_place_that_exists():
    written, ledger = pages(), choices.ledger()
    assert set(ledger["chapter"]) == set(choices.CHAPTERS)
    assert set(ledger["chapter"]) <= set(claims.CHAPTERS)
    assert set(ledger["chapter"]) >= {"table1", "truncation", "compression", "ssim_one_step", "perceptual_attack"}
    lost = {f"{r.chapter}#{r.anchor}" for r in ledger.itertuples() if r.anchor not in written[r.chapter]}
    assert not lost
    assert "nowhere" not in written["table1"]


def test_links():
    row = SimpleNamespace(chapter="ssim_one_step", anchor="the-rim")
    assert choices.link(row) == '<a href="../notebooks/ssim_one_step.html#the-rim">one-step SSIM</a>'


def test_the_ledger_is_whole():
    ledger = choices.ledger()
    assert ledger["row"].tolist() == list(range(1, len(ledger) + 1))
    assert len(ledger) >= 25
    assert ledger["topic"].is_unique
    assert (ledger[["topic", "place", "text", "open", "here", "chapter", "anchor"]] != "").all(axis=None)
    assert ledger.notna().all(axis=None)
    assert ((ledger["measures"] == "") == (ledger["why"] != "")).all()
    named = [measure for row in ledger["measures"] for measure in row.split(";") if measure]
    assert sorted(named) == sorted([*choices.EFFECTS, *choices.QUANTITIES])


def test_quantities_are_those_of_the_claims():
    asked = {f"{c.chapter}:{c.quantity}" for c in claims.load("hua")}
    assert set(choices.QUANTITIES) <= asked
