"""The ledger as HTML: the dashboard of the front page, and the claims of a chapter on its own page."""

import html
from collections.abc import Iterable, Mapping

import pandas as pd

from fairlib.book.claims.claim import causes
from fairlib.book.claims.ledger import ledger
from fairlib.book.claims.tables import wholes
from fairlib.book.claims.tallies import AUTHORS, counted, counts, tallies, told
from fairlib.book.claims.text import as_a_whole, here, repeats, there
from fairlib.book.terms import CLAIM, KINDS, PAPERS, VERDICTS

MARKS = dict(zip(VERDICTS, "✓◐✗?⚑¶∅…", strict=True))  # so that colour is never the only sign
FOLDED = 25  # a chapter with more claims than that folds its list


def dashboard_html(frame: pd.DataFrame) -> str:
    """The front page's dashboard: claims by verdict, the `tallies` of all kinds, tables as wholes, one row per claim.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    str
        HTML for a page in `book/` or `notebooks/`, which reads without scripts; `book/_static/ledger.js` shows the
        filters and works them, `custom.css` beside it lays it out. A row links to the cell that shows its number and,
        where the verdict falls short, to the cause.
    """
    table = counts(frame[frame["kind"] == CLAIM])
    papers = [AUTHORS[p] for p in table.columns.drop("all")]
    count_rows = [(v, "".join(f"<td>{k}</td>" for k in row)) for v, *row in table.itertuples()]
    options = {
        "paper": [(p, AUTHORS[p]) for p in PAPERS],
        "verdict": [(v, f"{MARKS[v]} {v}") for v in VERDICTS if v in set(frame["verdict"])],
        "kind": [(kind, kind) for kind in KINDS if kind in set(frame["kind"])],
    }
    selects = "".join(
        f'<label>{name.capitalize()} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
        + "</select></label>"
        for name, choices in options.items()
    )
    parts = [
        '<div id="ledger" class="ledger">',
        '<table class="counts"><caption>Claims of the papers by verdict; other kinds are below</caption>',
        _header(["Verdict", *papers, "Both"]),
        "<tbody>",
        *(f'<tr data-verdict="{v}"><th scope="row">{_mark(v)}</th>{cells}</tr>' for v, cells in count_rows),
        "</tbody></table>",
        _tallies_table(frame),
        *(f"<p>{html.escape(as_a_whole(found))}</p>" for found in wholes(frame["paper"].unique())),
        f'<form hidden role="search" aria-label="Filter the claims">{selects}'
        '<label>Search <input type="search" name="text" placeholder="LeNet, table 3, JPEG"></label></form>',
        f'<p role="status">{len(frame)} claims</p>',
        _claims_table(frame, "Every claim"),
        '<script src="../_static/ledger.js" defer></script></div>',
    ]
    return "\n".join(parts)


def _tallies_table(frame: pd.DataFrame) -> str:
    rows = tallies(frame).to_dict("records")
    parts = [
        '<table class="tallies"><caption>Families of claims first, then claims; and what the rules can tell</caption>',
        _header(["What", "Families", "Claims", "The rule says reproduced of"]),
        "<tbody>",
        *(
            f'<tr><th scope="row">{AUTHORS[row["paper"]]}: {row["sort"]}</th><td>{counted(row["families"])}</td>'
            f"<td>{counted(row['verdicts'])}</td><td>{html.escape(told(row))}</td></tr>"
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


def _claims_table(frame: pd.DataFrame, caption: str) -> str:
    why = causes()
    parts = [
        f'<table class="claims"><caption>{caption}</caption>',
        _header(["Verdict", "Claim", "Paper", "Here: released code", "Here: as the text says"]),
        "<tbody>",
        *(_html_row(row, why) for row in frame.to_dict("records")),
        "</tbody></table>",
    ]
    return "\n".join(parts)


def _header(names: Iterable[str]) -> str:
    return "<thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr></thead>"


def _mark(verdict: str) -> str:
    return f'<span aria-hidden="true">{MARKS[verdict]}</span> {verdict}'


def _html_row(row: Mapping[str, object], why: Mapping[str, str]) -> str:
    e = {key: html.escape(str(value)) for key, value in row.items()}
    kind = f"<small>{e['kind']}</small>" if row["kind"] != CLAIM else ""
    setting = f"<small>Tested on {e['setting']}.</small>" if row["setting"] else ""
    ours = html.escape(here(row))
    if row["anchor"]:
        ours = f'<a href="../notebooks/{e["chapter"]}.html#{e["anchor"]}">{ours}</a>'
    for small in filter(None, (row["basis"], repeats(row), row["notes"])):
        ours += f" <small>{html.escape(small)}</small>"
    if row["cause"]:
        page, _, anchor = row["cause"].partition("#")
        ours += f' <small><a href="../notebooks/{page}.html#{anchor}">Why: {html.escape(why[row["cause"]])}</a></small>'
    cells = f"<td>{ours}</td><td>{html.escape(there(row))}</td>" if there(row) else f'<td colspan="2">{ours}</td>'
    return (
        f'<tr id="{e["id"]}" data-paper="{e["paper"]}" data-verdict="{e["verdict"]}" data-kind="{e["kind"]}">'
        f'<th scope="row">{_mark(row["verdict"])}</th>'
        f"<td>{e['says']}<small>{AUTHORS[row['paper']]}, {e['place']}</small>{kind}{setting}</td>"
        f"<td>{e['published']}</td>{cells}</tr>"
    )
