"""The ledger: every checkable claim of both papers, the estimate that decides it, and the verdict that a rule draws.

`rules` draws the verdicts, `ledger` reads claims and estimates and joins them, `text` and `page` show what came out.
"""

from fairlib.book.claims.ledger import (
    COLUMNS,
    Claim,
    causes,
    judge,
    ledger,
    load,
    record,
    recorded,
)
from fairlib.book.claims.page import MARKS, chapter_html, dashboard_html
from fairlib.book.claims.rules import (
    RULES,
    TINY,
    Estimate,
    at_least,
    at_most,
    between,
    equals,
    matches,
    matches_range,
    negative,
    not_testable,
    orders,
    positive,
    repetition,
)
from fairlib.book.claims.text import AUTHORS, amounts, as_json, as_text, counts, here, repeats
from fairlib.book.terms import (
    CHAPTERS,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    NOT_YET,
    PAPERS,
    PARTLY,
    RELEASED_BUG,
    REPRODUCED,
    VERDICTS,
)

__all__ = [
    "AUTHORS", "CHAPTERS", "COLUMNS", "MARKS", "NOT_REPRODUCED", "NOT_TESTABLE", "NOT_YET", "PAPERS", "PARTLY",
    "RELEASED_BUG", "REPRODUCED", "RULES", "TINY", "VERDICTS", "Claim", "Estimate", "amounts", "as_json", "as_text",
    "at_least", "at_most", "between", "causes", "chapter_html", "counts", "dashboard_html", "equals", "here", "judge",
    "ledger", "load", "matches", "matches_range", "negative", "not_testable", "orders", "positive", "record",
    "recorded", "repeats", "repetition",
]  # fmt: skip
