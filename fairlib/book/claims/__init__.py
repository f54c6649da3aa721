"""The ledger: every checkable claim of both papers, the estimate that decides it, and the verdict that a rule draws.

`claim` reads the claims, `rules` draws the verdicts and `judging` puts them together, `ledger` joins claims and
estimates, `text` and `page` show what came out.
"""

from fairlib.book.claims.claim import Claim, asked, causes, load
from fairlib.book.claims.estimate import TINY, Estimate
from fairlib.book.claims.holm import adjusted, p_value
from fairlib.book.claims.judging import Judgement, alternatives, columns, joined, judge, judgements
from fairlib.book.claims.ledger import COLUMNS, ledger, record, recorded
from fairlib.book.claims.page import MARKS, chapter_html, dashboard_html, tallies_html
from fairlib.book.claims.power import DRAWS, placebos, sensitivity
from fairlib.book.claims.rules import (
    CELLS,
    RULES,
    SIGNS,
    at_least,
    at_most,
    between,
    equals,
    equivalent,
    matches,
    matches_range,
    mirrored,
    negative,
    no_effect,
    not_testable,
    orders,
    positive,
    repetition,
)
from fairlib.book.claims.search import SAME, same
from fairlib.book.claims.sections import by_section, section
from fairlib.book.claims.tables import Whole, apart, paired, whole, wholes
from fairlib.book.claims.tallies import (
    AUTHORS,
    SORTS,
    amounts,
    by_verdict,
    counted,
    counts,
    decided,
    families,
    family,
    of_right,
    of_wrong,
    percent,
    sorts,
    tallies,
    told,
)
from fairlib.book.claims.text import as_a_whole, as_json, as_text, fared, here, repeats, shown, there
from fairlib.book.terms import (
    ARITHMETIC,
    BOOK,
    BUILT_WORLD,
    CHAPTERS,
    CLAIM,
    CODE_ONLY,
    CONSTRUCTION,
    FUTURE_WORK,
    KINDS,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    NOT_YET,
    PAPERS,
    PARTLY,
    REPRODUCED,
    TEXT_ONLY,
    UNDECIDED,
    VERDICTS,
)

__all__ = [
    "ARITHMETIC", "AUTHORS", "BOOK", "BUILT_WORLD", "CELLS", "CHAPTERS", "CLAIM", "CODE_ONLY", "COLUMNS",
    "CONSTRUCTION", "DRAWS", "FUTURE_WORK", "KINDS", "MARKS", "NOT_REPRODUCED", "NOT_TESTABLE", "NOT_YET", "PAPERS",
    "PARTLY", "REPRODUCED", "RULES", "SAME", "SIGNS", "SORTS", "TEXT_ONLY", "TINY", "UNDECIDED", "VERDICTS", "Claim",
    "Estimate", "Judgement", "Whole", "adjusted", "alternatives", "amounts", "apart", "as_a_whole", "as_json",
    "as_text", "asked", "at_least", "at_most", "between", "by_section", "by_verdict", "causes", "chapter_html",
    "columns", "counted", "counts", "dashboard_html", "decided", "equals", "equivalent", "families", "family", "fared",
    "here", "joined", "judge", "judgements", "ledger", "load", "matches", "matches_range", "mirrored", "negative",
    "no_effect", "not_testable", "of_right", "of_wrong", "orders", "p_value", "paired", "percent", "placebos",
    "positive", "record", "recorded", "repeats", "repetition", "same", "section", "sensitivity", "shown", "sorts",
    "tallies", "tallies_html", "there", "told", "whole", "wholes",
]  # fmt: skip
