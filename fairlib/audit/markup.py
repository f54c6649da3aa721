"""The frame of an audit's page: styles for light and dark, wide and narrow, and tables."""

import html
from collections.abc import Iterable, Sequence

# It holds all that it shows, runs nothing and asks nobody, whatever a manifest or a model brought into it.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">"""
)
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --soft: #5c5c5c; --rule: #dddddd; --tint: #f4f4f2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e6; --paper: #16181b; --soft: #a6a6a4; --rule: #3c3f44; --tint: #202327; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.answer { font-size: 1.1rem; }
caption, figcaption { color: var(--soft); font-size: 0.875rem; text-align: left; }
figure { margin: 1rem 0; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.5rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; }
thead th { border-bottom-width: 2px; }
td:not(.n) { overflow-wrap: anywhere; }
@media (max-width: 30rem) {
  table { font-size: 0.75rem; }
  th, td { padding: 0.2rem 0.15rem; }
  th { hyphens: auto; }
  td.n { white-space: normal; }
}
ul { padding-left: 1.2rem; }
.gallery { display: flex; flex-wrap: wrap; gap: 0.75rem; padding: 0; list-style: none; }
.gallery li { width: 10rem; font-size: 0.8rem; overflow-wrap: anywhere; }
.gallery img { max-width: 100%; height: auto; display: block; }
.note { background: var(--tint); padding: 0.5rem 1rem; }
"""


def document(title: str, sections: Iterable[str]) -> str:
    """A whole document.

    Parameters
    ----------
    title : str
        In plain words.
    sections : iterable of str
        HTML, in order.

    Returns
    -------
    str
        A document that asks for no other file.
    """
    title = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{POLICY}\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n<h1>{title}</h1>\n" + "\n".join(filter(None, sections)) + "\n</main>\n</body>\n</html>\n"
    )


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A table whose first column names its rows.

    Parameters
    ----------
    caption : str
        HTML.
    heads : sequence of str
        HTML of the columns' heads.
    rows : iterable of sequence of str
        Plain text of the cells.
    numbers : bool
        Whether the other columns are aligned to the right.

    Returns
    -------
    str
    """
    kind, comma = (' class="n"', ",&nbsp;") if numbers else ("", ", ")  # an interval stays on one line
    top = f'<th scope="col">{heads[0]}</th>' + "".join(f'<th scope="col"{kind}>{head}</th>' for head in heads[1:])
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td{kind}>{html.escape(cell).replace(', ', comma)}</td>" for cell in cells)
        + "</tr>\n"
        for first, *cells in rows
    )
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{top}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
