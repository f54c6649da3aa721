"""The names that the command line offers are those that the ledger knows, and its files are named after them."""

from pathlib import Path

from fairlib.book import claims, terms

ROOT = Path(__file__).resolve().parents[2]


def test_the_ledger_uses_the_same_names():
    for name in ("PAPERS", "CHAPTERS", "VERDICTS"):
        assert getattr(claims, name) is getattr(terms, name)


def test_each_paper_has_its_claims_and_each_chapter_its_notebook():
    assert all((ROOT / "data" / "claims" / f"{paper}.toml").is_file() for paper in terms.PAPERS)
    assert all((ROOT / "notebooks" / f"{chapter}.md").is_file() for chapter in terms.CHAPTERS)
