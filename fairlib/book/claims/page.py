"""The ledger as HTML: its own page, and the claims of a chapter on the chapter's."""

import html
import json
import math
from collections.abc import Iterable, Mapping

import pandas as pd

from fairlib.book.claims.claim import causes
from fairlib.book.claims.ledger import ledger
from fairlib.book.claims.search import same
from fairlib.book.claims.sections import by_section
from fairlib.book.claims.tables import wholes
from fairlib.book.claims.tallies import (
    APART,
    AUTHORS,
    by_verdict,
    counted,
    counts,
    of_right,
    of_wrong,
    percent,
    tallies,
)  # fmt: skip
from fairlib.book.claims.text import as_a_whole, here, repeats, there
from fairlib.book.terms import CHAPTERS, CLAIM, KINDS, PAPERS, REPRODUCED, UNDECIDED, VERDICTS

MARKS = dict(zip(VERDICTS, "✓◐✗?⚑¶∅…", strict=True))  # so that colour is never the only sign
FOLDED = 25  # a chapter with more claims than that folds its list


def dashboard_html(frame: pd.DataFrame) -> str:
    """The ledger's list: one row per claim, folded by section of the paper.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    str
        HTML for a page in `book/` or `notebooks/`, which reads without scripts; `book/_static/ledger.js` shows the
        filters, works them and keeps them in the address, `custom.css` beside it lays it out. A row links to the cell
        that shows its number and, where the verdict falls short, to the cause.
    """
    parts = [
        '<div id="ledger" class="ledger">',
        _filters(frame),
        f'<p role="status">{len(frame)} claims</p>',
        f"<p>{html.escape(_kinds(frame))}</p>",
        '<p class="ledger-taken" aria-live="polite" hidden></p>',
        *(_fold(paper, name, rows) for (paper, name), rows in by_section(frame).items()),
        f'<script type="application/json">{json.dumps(same())}</script>',
        '<script src="../_static/ledger.js" defer></script></div>',
    ]
    return "\n".join(parts)


def tallies_html(frame: pd.DataFrame) -> str:
    """The ledger counted: claims by verdict, the `tallies` of all kinds, tables as wholes.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    str
        HTML. Beside each share of claims that are reproduced stands how often their rules say so of right answers and
        of wrong ones.
    """
    table = counts(frame[frame["kind"] == CLAIM])
    papers = [AUTHORS[p] for p in table.columns.drop("all")]
    rows = [(v, "".join(f"<td>{k}</td>" for k in row)) for v, *row in table.itertuples()]
    parts = [
        '<div class="ledger">',
        '<table class="counts"><caption>Claims of the papers by verdict; other kinds are below</caption>',
        _header(["Verdict", *papers, "Both"]),
        "<tbody>",
        *(f'<tr data-verdict="{v}"><th scope="row">{_mark(v)}</th>{cells}</tr>' for v, cells in rows),
        "</tbody></table>",
        _tallies_table(frame),
        *(f"<p>{html.escape(as_a_whole(found))}</p>" for found in wholes(frame["paper"].unique())),
        "</div>",
    ]
    return "\n".join(parts)


def _kinds(frame: pd.DataFrame) -> str:
    """What the rows are that the list has beyond the papers' own claims, which alone are counted elsewhere."""
    count = frame["kind"].value_counts()
    others = ", ".join(f"{count[kind]} {APART[kind]}" for kind in KINDS if kind in APART and kind in count)
    said = f"Of these {len(frame)}, {count.get(CLAIM, 0)} are claims of the papers, which the counts of the book go by"
    return f"{said}; the others are counted apart: {others}." if others else f"{said}."


def _filters(frame: pd.DataFrame) -> str:
    options = {
        "paper": [(p, AUTHORS[p]) for p in PAPERS],
        "verdict": [(v, f"{MARKS[v]} {v}") for v in VERDICTS if v in set(frame["verdict"])],
        "kind": [(kind, kind) for kind in KINDS if kind in set(frame["kind"])],
        "chapter": [(c, c.replace("_", " ")) for c in CHAPTERS if c in set(frame["chapter"])],
    }
    selects = "".join(
        f'<label>{name.capitalize()} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
        + "</select></label>"
        for name, choices in options.items()
    )
    return (
        f'<form hidden role="search" aria-label="Filter the claims">{selects}'
        '<label>Search <input type="search" name="text" placeholder="GDP, table 3, JPEG"></label>'
        '<button type="reset">Show all</button></form>'
    )


def _fold(paper: str, name: str, rows: pd.DataFrame) -> str:
    """The claims of one section, folded; its line says how they fared."""
    name = html.escape(f"{AUTHORS[paper]}, {name}")
    told = f"{len(rows)} claim{'s' if len(rows) > 1 else ''}: {counted(by_verdict(rows['verdict']))}"
    return (
        f"<details><summary>{name} <small>{told}</small></summary>\n{_claims_table(rows, name, alone=True)}</details>"
    )


def _tallies_table(frame: pd.DataFrame) -> str:
    rows = tallies(frame).to_dict("records")
    columns = ["What", "Families", "Claims", "Reproduced", "Of right answers", "Of wrong answers"]
    parts = [
        '<table class="tallies"><caption>How many are reproduced, and how often the rules say so of right and of wrong '
        "answers</caption>",
        _header(columns),
        "<tbody>",
        *(
            f'<tr><th scope="row">{AUTHORS[row["paper"]]}: {row["sort"]}</th><td>{counted(row["families"])}</td>'
            f"<td>{counted(row['verdicts'])}</td><td>{percent(row['verdicts'].get(REPRODUCED, 0) / row['claims'])}</td>"
            f"<td>{html.escape(of_right(row))}</td><td>{html.escape(of_wrong(row))}</td></tr>"
            for row in rows
        ),
        "</tbody></table>",
    ]
    return "\n".join(parts) if rows else ""


def chapter_html(chapter: str) -> str:
    """The claims that a chapter settles, for its own page: one row each, as on the dashboard.

    Parameters
    ----------
    chapter : str
        One of `CHAPTERS`.

    Returns
    -------
    str
        HTML. Where there are many claims, they are counted by their place in the paper, and the list is folded.

    Raises
    ------
    ValueError
        For an unknown chapter.
    """
    frame = ledger(chapter=chapter)
    listed = _claims_table(frame, "Claims of this chapter")
    if len(frame) <= FOLDED:
        return f'<div class="ledger">\n{listed}\n</div>'
    found = [v for v in VERDICTS if v in set(frame["verdict"])]
    tally = pd.crosstab(frame["place"], frame["verdict"]).loc[frame["place"].unique(), found]
    parts = [
        '<div class="ledger">',
        '<table class="counts places"><caption>Claims of this chapter by their place in the paper</caption>',
        _header(["Place", *map(_mark, found)]),
        "<tbody>",
        *(
            f'<tr><th scope="row">{place}</th>{"".join(f"<td>{k}</td>" for k in row)}</tr>'
            for place, *row in tally.itertuples()
        ),
        "</tbody></table>",
        f"<details><summary>All {len(frame)} claims</summary>",
        listed,
        "</details></div>",
    ]
    return "\n".join(parts)


def _claims_table(frame: pd.DataFrame, caption: str, *, alone: bool = False) -> str:
    """A row per claim; `alone`, on the ledger's own page, with what is filtered by and what its rule can tell."""
    why = causes()
    parts = [
        f'<table class="claims"><caption>{caption}</caption>',
        _header(["Verdict", "Claim", "Paper", "Here: released code", "Here: as the text says"]),
        "<tbody>",
        *(_html_row(row, why, alone) for row in frame.to_dict("records")),
        "</tbody></table>",
    ]
    return "\n".join(parts)


def _header(names: Iterable[str]) -> str:
    return "<thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr></thead>"


def _mark(verdict: str) -> str:
    return f'<span aria-hidden="true">{MARKS[verdict]}</span> {verdict}'


def _html_row(row: Mapping[str, object], why: Mapping[str, str], alone: bool) -> str:
    e = {key: html.escape(str(value)) for key, value in row.items()}
    kind = f"<small>{e['kind']}</small>" if row["kind"] != CLAIM else ""
    setting = f"<small>Tested on {e['setting']}.</small>" if row["setting"] else ""
    ours = html.escape(here(row))
    if row["anchor"]:
        ours = f'<a href="../notebooks/{e["chapter"]}.html#{e["anchor"]}">{ours}</a>'
    if there(row):
        ours += f": {row['verdict_code']}"
    for small in filter(None, (row["basis"], repeats(row), alone and _passes(row), row["notes"])):
        ours += f" <small>{html.escape(small)}</small>"
    if row["cause"] and row["verdict"] != UNDECIDED:
        page, _, anchor = row["cause"].partition("#")
        ours += f' <small><a href="../notebooks/{page}.html#{anchor}">Why: {html.escape(why[row["cause"]])}</a></small>'
    cells = f"<td>{ours}</td><td>{html.escape(there(row))}</td>" if there(row) else f'<td colspan="2">{ours}</td>'
    chapter = f' data-chapter="{e["chapter"]}"' if alone else ""
    return (
        f'<tr id="{e["id"]}" data-paper="{e["paper"]}" data-verdict="{e["verdict"]}" data-kind="{e["kind"]}"{chapter}>'
        f'<th scope="row">{_mark(row["verdict"])}</th>'
        f"<td>{e['says']}<small>{AUTHORS[row['paper']]}, {e['place']}</small>{kind}{setting}</td>"
        f"<td>{e['published']}</td>{cells}</tr>"
    )


def _passes(row: Mapping[str, object]) -> str:
    """How often the row's rule says "reproduced" of a right answer, and of the wrong one that passes most easily."""
    if math.isnan(row["sensitivity"]) or not row["placebos"]:
        return ""
    wrong = max(row["placebos"], key=row["placebos"].get)
    right, false = percent(row["sensitivity"]), percent(row["placebos"][wrong])
    return f"sensitivity of the rule {right}; placebo, {wrong}, {false}"
