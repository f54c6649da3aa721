"""The ledger as text or JSON."""

import math
from collections.abc import Mapping

import pandas as pd

from fairlib import checks
from fairlib.book import wording
from fairlib.book.claims.claim import load
from fairlib.book.claims.judging import judgements
from fairlib.book.claims.ledger import behind
from fairlib.book.claims.tables import Whole, wholes
from fairlib.book.claims.tallies import CELLS_OF_TABLES, amounts, by_verdict, counted, counts, sorts
from fairlib.book.terms import CHAPTERS, CLAIM


def here(row: Mapping[str, object]) -> str:
    """Our side of a row of the ledger as text.

    Parameters
    ----------
    row : mapping
        A row of a `ledger`.

    Returns
    -------
    str
        Value and interval, or the reason why there is none.
    """
    if math.isnan(row["ours"]):
        return row["reason"] or row["verdict"]
    return shown(row["ours"], row["low"], row["high"], row["decimals"])


def there(row: Mapping[str, object]) -> str:
    """The same quantity as the paper's text has it, where the released code differs.

    Parameters
    ----------
    row : mapping
        A row of a `ledger`.

    Returns
    -------
    str
        Value, interval and verdict; "" where the two do not differ.
    """
    if math.isnan(row["text"]):
        return ""
    return f"{shown(row['text'], row['text_low'], row['text_high'], row['decimals'])}: {row['verdict_text']}"


def shown(value: float, low: float, high: float, decimals: int) -> str:
    """A value with its interval as text.

    Parameters
    ----------
    value, low, high : float
        Low <= value <= high.
    decimals : int
        How many are shown; what all of them hide is shown as a power of ten.

    Returns
    -------
    str
        As `0.43 [0.42, 0.44]`.
    """
    if low < high and max(abs(low), abs(high)) < 10**-decimals:  # a p-value, say
        return f"{_power(value)} [{_power(low)}, {_power(high)}]"
    return wording.with_ends((value, low, high), decimals)


def _power(number: float) -> str:
    """A small number as 2·10⁻⁸, with one digit."""
    digit, _, exponent = f"{number:.0e}".partition("e")
    return f"{digit}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if number else "0"


def repeats(row: Mapping[str, object]) -> str:
    """The range that decided a row of the ledger as text.

    Parameters
    ----------
    row : mapping
        A row of a `ledger`.

    Returns
    -------
    str
        The range, or "" where the row's rule has none. Its ends are rounded inwards, so that what the paper prints lies
        in the range shown exactly if it lies in the range.
    """
    if math.isnan(row["repeat_low"]):
        return ""
    d = row["decimals"]
    low, high = (end / 10**d for end in (math.ceil(row["repeat_low"] * 10**d), math.floor(row["repeat_high"] * 10**d)))
    what = "other images of this run" if row.get("chapter") == "table1" else "a repetition"
    return f"{what}: {low:.{d}f} to {high:.{d}f}"


def as_a_whole(found: Whole) -> str:
    """How close a table is as a whole, in words.

    Parameters
    ----------
    found : Whole
        Of `wholes`.

    Returns
    -------
    str
        A sentence.
    """
    moved = sum(one != other for one, other in zip(found.names, found.closest, strict=True))
    own = f"{moved} of {len(found.names)} with another" if moved else "each with its own"
    return (
        f"{found.what}: of {found.pairings:,} ways to pair the printed with ours, {found.rank:,} "
        f"{'is' if found.rank == 1 else 'are'} as close as each with its own (p = {found.p:.2g}); the closest pairs "
        f"{own}. Mean distance {found.distance:.2f}, over all pairings {found.typical:.2f}."
    )


def fared(chapter: str) -> str:
    """How a paper's claims that a chapter settles came out, in one sentence.

    Parameters
    ----------
    chapter : str
        One of `CHAPTERS`.

    Returns
    -------
    str
        As `Of the paper's 3 claims about this: 2 reproduced, 1 undecided.`; the other kinds of claims are not counted.

    Raises
    ------
    ValueError
        For an unknown chapter.
    """
    checks.one_of(chapter, CHAPTERS, "chapter")
    every = load()
    own = [claim for claim in every if claim.chapter == chapter and claim.kind == CLAIM]
    verdicts = [judged.verdict for judged in judgements(own, behind(every), every).values()]
    return f"Of the paper's {len(verdicts)} claims about this: {counted(by_verdict(verdicts))}."


def as_text(frame: pd.DataFrame) -> str:
    """The ledger for a terminal: counts, then two lines a claim."""
    if frame.empty:
        return "no such claim"
    table = counts(frame)
    lines = [(table if table.shape[1] > 2 else table.drop(columns="all")).to_string(), "", *amounts(frame)]
    with_tables = frame.loc[sorts(frame) == CELLS_OF_TABLES, "paper"].unique()
    lines += [*map(as_a_whole, wholes(with_tables)), ""]
    for row in frame.to_dict("records"):
        text = f"as the text says {there(row)}" if there(row) else ""
        ours = "; ".join(filter(None, (here(row), row["basis"], repeats(row), text, row["notes"])))
        lines += [
            f"{row['verdict']:<27}{row['id']}  ({row['place']})",
            f"{'':<27}{row['says']}  paper {row['published']}, here {ours}",
        ]
    return "\n".join(lines)


def as_json(frame: pd.DataFrame) -> str:
    """The ledger as a JSON list, one object per claim; a number that is not there is null."""
    return frame.to_json(orient="records", indent=1, force_ascii=False)
