"""The ledger counted: by verdict, by family, by kind of claim, with what the rules can tell beside each share."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from fairlib.book.claims.power import DRAWS
from fairlib.book.claims.rules import CELLS, SIGNS
from fairlib.book.terms import (
    ARITHMETIC,
    BOOK,
    BUILT_WORLD,
    CLAIM,
    CONSTRUCTION,
    FUTURE_WORK,
    NOT_TESTABLE,
    NOT_YET,
    PAPERS,
    PARTLY,
    UNDECIDED,
    VERDICTS,
)

AUTHORS = {"pepe": "Pepe", "hua": "Hua et al."}
REPEATED = {  # what is drawn anew for what a number's rule can tell; the second paper's tables train nothing
    "pepe": "another training of ours in the paper's place",
    "hua": "other images of the same run in the paper's place",
}
NUMBERS, CELLS_OF_TABLES, WORDS, BOUNDS = "numbers in the text", "numbers in the tables", "words", "bounds and digits"
APART = {
    CONSTRUCTION: "settled by construction",
    ARITHMETIC: "arithmetic on printed numbers",
    BUILT_WORLD: "demonstrated in a built world",
    BOOK: "this book's hypotheses",
    FUTURE_WORK: "future work",
}
SORTS = (CELLS_OF_TABLES, NUMBERS, WORDS, BOUNDS, *APART.values())


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each paper have which verdict.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    pandas.DataFrame
        One row per verdict, one column per paper and `all`; verdicts and papers that the ledger does not have are left
        out.
    """
    table = pd.crosstab(frame["verdict"], frame["paper"])
    table = table.reindex(index=[v for v in VERDICTS if v in table.index], columns=[p for p in PAPERS if p in table])
    return table.assign(all=table.sum(axis=1))


def family(verdicts: Iterable[str]) -> str:
    """The verdict on a family of claims that state one thing in several cells.

    Parameters
    ----------
    verdicts : iterable of str
        Those of its rows.

    Returns
    -------
    str
        The one that all decided rows have, else `PARTLY`. `UNDECIDED` where most of those that ran are;
        `NOT_YET` or `NOT_TESTABLE` where none ran.
    """
    every = list(verdicts)
    ran = [v for v in every if v not in (NOT_YET, NOT_TESTABLE)]
    if not ran:
        return NOT_YET if NOT_YET in every else NOT_TESTABLE
    decided = {v for v in ran if v != UNDECIDED}
    if 2 * ran.count(UNDECIDED) > len(ran):
        return UNDECIDED
    return decided.pop() if len(decided) == 1 else PARTLY


def families(frame: pd.DataFrame) -> pd.DataFrame:
    """The families of a ledger.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    pandas.DataFrame
        A row for each: paper, kind, `sort`, family, claims, verdict.
    """
    rows = [
        {"paper": paper, "kind": kind, "sort": sort, "family": name, "claims": len(rows), "verdict": family(rows)}
        for (paper, kind, sort, name), rows in frame.assign(sort=sorts(frame)).groupby(
            ["paper", "kind", "sort", "family"], sort=False
        )["verdict"]
    ]
    return pd.DataFrame(rows, columns=["paper", "kind", "sort", "family", "claims", "verdict"])


def sorts(frame: pd.DataFrame) -> pd.Series:
    """What each claim is, of `SORTS`: claims by how they can be asked, the other kinds by their name.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    pandas.Series
        One of `SORTS` for each row.
    """
    found = pd.Series(BOUNDS, index=frame.index, dtype=object)
    found[frame["rule"].isin([*SIGNS, "equivalent", "not_testable"])] = WORDS
    printed = frame["rule"].isin(CELLS)
    found[printed] = NUMBERS
    found[printed & frame["place"].str.fullmatch(r"(.*, )?table \d+", case=False)] = CELLS_OF_TABLES
    for kind, name in APART.items():
        found[frame["kind"] == kind] = name
    return found


def tallies(frame: pd.DataFrame) -> pd.DataFrame:
    """Each paper's claims by what they are, counted, with what the rules can tell.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    pandas.DataFrame
        A row per paper and sort: `claims` that ran; `verdicts` and `families`, dicts of counts; `sensitivity` with
        `sensitivity_low`, `sensitivity_high`, its Monte-Carlo interval (NaN where no rule has one); `placebos`, a dict
        of the share that each kind of wrong answer would reach.
    """
    ran = frame.assign(sort=sorts(frame))
    ran = ran[~ran["verdict"].isin([NOT_YET, NOT_TESTABLE])]
    kin = families(ran)
    rows = []
    for paper in PAPERS:
        for sort in SORTS:
            own = ran[(ran["paper"] == paper) & (ran["sort"] == sort)]
            if own.empty:
                continue
            verdicts = kin.loc[(kin["paper"] == paper) & (kin["sort"] == sort), "verdict"]
            rows.append(
                {
                    **{"paper": paper, "sort": sort, "claims": len(own)},
                    "verdicts": by_verdict(own["verdict"]),
                    "families": by_verdict(verdicts),
                    **_sensitivity(own),
                    "placebos": _placebos(own["placebos"]),
                }
            )
    return pd.DataFrame(rows)


def _sensitivity(own: pd.DataFrame) -> dict[str, float]:
    known = own["sensitivity"].dropna()
    if known.empty:
        return dict.fromkeys(("sensitivity", "sensitivity_low", "sensitivity_high"), math.nan)
    drawn = own.loc[known.index, "rule"].isin(CELLS)
    error = 1.96 * np.sqrt((drawn * known * (1 - known)).sum() / DRAWS) / len(known)
    mean = known.mean()
    return {"sensitivity": mean, "sensitivity_low": max(0.0, mean - error), "sensitivity_high": min(1.0, mean + error)}


def _placebos(found: pd.Series) -> dict[str, float]:
    table = pd.DataFrame(found.tolist())
    return {name: float(column.mean()) for name, column in table.items()}


def amounts(frame: pd.DataFrame) -> list[str]:
    """What the verdicts amount to, in words.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    list of str
        A sentence per paper and sort: families, claims, and what the rules would say of right and wrong answers.
    """
    return [_sentence(row) for row in tallies(frame).to_dict("records")]


def _sentence(row: Mapping[str, object]) -> str:
    total = sum(row["families"].values())
    several = f"of {total} families {counted(row['families'])}; " if total < row["claims"] else ""
    known = f" The rule says reproduced of {told(row)}." if told(row) else ""
    verdicts = f"of {row['claims']} claims {counted(row['verdicts'])}"
    return f"{AUTHORS[row['paper']]}, {row['sort']}: {several}{verdicts}.{known}"


def told(row: Mapping[str, object]) -> str:
    """What the rules can tell of the claims in a row of the `tallies`, in words.

    Parameters
    ----------
    row : mapping
        A row of the `tallies`.

    Returns
    -------
    str
        "" where nothing is known.
    """
    return "; ".join(filter(None, (of_right(row), of_wrong(row))))


def of_right(row: Mapping[str, object]) -> str:
    """How often the rules say "reproduced" of what holds, in words.

    Parameters
    ----------
    row : mapping
        A row of the `tallies`.

    Returns
    -------
    str
        The sensitivity; "" where nothing is known.
    """
    if math.isnan(row["sensitivity"]):
        return ""
    training = REPEATED[row["paper"]]
    right = {WORDS: "the smallest effect of interest", CELLS_OF_TABLES: training, NUMBERS: training}
    share = percent(row["sensitivity"])
    if row["sensitivity_high"] - row["sensitivity_low"] > 0:
        share += f" [{percent(row['sensitivity_low'])}, {percent(row['sensitivity_high'])}]"
    return f"{share} with {right.get(row['sort'], 'a right answer')}"


def of_wrong(row: Mapping[str, object]) -> str:
    """How often the rules say "reproduced" of what does not hold, in words.

    Parameters
    ----------
    row : mapping
        A row of the `tallies`.

    Returns
    -------
    str
        The placebos, each kind of wrong answer by itself; "" where nothing is known.
    """
    if math.isnan(row["sensitivity"]):
        return ""
    return "; ".join(f"{percent(p)} with {name}" for name, p in row["placebos"].items())


def percent(share: float) -> str:
    """A share as text.

    Parameters
    ----------
    share : float
        Between 0 and 1.

    Returns
    -------
    str
        As `11.0 %`.
    """
    return f"{100 * share:.1f} %"


def counted(found: Mapping[str, int]) -> str:
    """Counts by verdict in words.

    Parameters
    ----------
    found : mapping of str to int
        By verdict.

    Returns
    -------
    str
        As `3 reproduced, 4 undecided`.
    """
    return ", ".join(f"{n} {verdict}" for verdict, n in found.items())


def decided(frame: pd.DataFrame) -> dict[str, int]:
    """The first page's count: the papers' claims, without those that are settled by construction and their kin.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    dict of str to int
        Claims of the kind `claim` that ran, by verdict, in the order of `VERDICTS`; what none has is left out.
    """
    own = frame.loc[frame["kind"] == CLAIM, "verdict"]
    return by_verdict(own[~own.isin([NOT_YET, NOT_TESTABLE])])


def by_verdict(verdicts: Iterable[str]) -> dict[str, int]:
    """How many there are of each verdict.

    Parameters
    ----------
    verdicts : iterable of str
        One for each claim, or family.

    Returns
    -------
    dict of str to int
        In the order of `VERDICTS`; what none has is left out.
    """
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in VERDICTS if verdict in found}
