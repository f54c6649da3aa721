"""The page of an audit: one HTML file with everything in it, figures as SVG, light and dark."""

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from fairlib import fairness
from fairlib.audit.figures import accuracy_by_wealth, power_curve, svg
from fairlib.audit.words import detectable, interval, number, p_value, summary

INFLUENTIAL = 10  # countries in the table of those that carry the slope
ASSUMPTIONS = {
    "gls": "The paper's: least squares with variances like 1/√n, F-test",
    "wls": "Variances like 1/n",
    "ols": "Equal variances",
    "hc3": "The paper's line, robust errors (HC3)",
    "meta": "Random-effects meta-regression (REML, Knapp-Hartung)",
}
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
  table { font-size: 0.8rem; }
  th, td { padding: 0.2rem; }
  td.n { white-space: normal; }
}
.note { background: var(--tint); padding: 0.5rem 1rem; }
"""


def html_page(report: Mapping, table: pd.DataFrame) -> str:
    """The whole page for a report.

    Parameters
    ----------
    report : mapping
        What `REPORT.json` holds.
    table : pandas.DataFrame
        Its country table, with a column `name`.

    Returns
    -------
    str
        An HTML document that asks for no other file.
    """
    title = html.escape(f"Accuracy and wealth: {report['model']['name']}")
    sections = [_warnings(report), _answer(report, table), _tests(report), _influence(report, table), _power(report)]
    sections += [_countries(table), _skipped(report), _origin(report)]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n<h1>{title}</h1>\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>\n"
    )


def _warnings(report: Mapping) -> str:
    """The warnings, above everything else."""
    return "\n".join(f'<p class="note">Warning: {html.escape(text)}</p>' for text in report["warnings"])


def _answer(report: Mapping, table: pd.DataFrame) -> str:
    """The answer, the conditions, and the figure of all countries."""
    line = fairness.band(table, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    effect, images = report["effect"], report["images"]
    conditions = [[c["text"], number(c["value"], 4), "met" if c["met"] else "not met"] for c in report["conditions"]]
    outcome = _table("Conditions that make this audit fail", ["Condition", "Value", "Outcome"], conditions)
    return (
        f'<p class="answer">{html.escape(summary(report))}</p>\n{outcome if conditions else ""}'
        f"<p>{images['classified']} images of {html.escape(report['manifest'])} from {len(table)} countries; accuracy "
        f"over all images {number(report['accuracy'])} {interval(report, 'accuracy')}. On the line the richest country "
        f"leads the poorest by {number(100 * effect['gap'], 1)} {interval(effect, 'gap', 1, 100)} points of accuracy. "
        "Brackets hold 95 % intervals.</p>\n<figure>"
        f"{svg(*accuracy_by_wealth(table, line), 'wealth')}<figcaption>Each dot is a country with the 95 % interval "
        "of its accuracy (Wilson); the line is the paper's regression with its 95 % band.</figcaption></figure>"
    )


def _tests(report: Mapping) -> str:
    """The slope under each assumption about the errors."""
    rows = [[ASSUMPTIONS[t["method"]], f"{number(t['slope'])} {interval(t)}", p_value(t["p"])] for t in report["tests"]]
    permutation = report["permutation"]
    rows.append(["GDPs dealt out to the countries anew (permutation)", "–", p_value(permutation["p"])])
    ends = html.escape(f"[{p_value(permutation['low'])}, {p_value(permutation['high'])}]")
    exact = permutation["low"] == permutation["high"]
    tried = "all orders were tried" if exact else f"random orders; the 95 % interval of p is {ends}"
    return (
        "<h2>Is it chance?</h2>\n<p>The paper's test, and what other assumptions about the errors give. Where they "
        f"disagree, the slope rests on an assumption. The permutations: {tried}.</p>\n"
        + _table("The slope, test by test", ["Assumption", "Slope", "p"], rows)
    )


def _influence(report: Mapping, table: pd.DataFrame) -> str:
    """The slope without each of the countries that move it most."""
    rows = [
        [table["name"][r["country"]], number(r["slope"]), number(r["change"]), p_value(r["p"])]
        for r in report["influence"][:INFLUENTIAL]
    ]
    return (
        "<h2>Which countries carry it?</h2>\n<p>Each country left out in turn; those that move the slope most come "
        "first. The changes describe these images and are no estimates, so they have no intervals.</p>\n"
        + _table("The slope without a country", ["Without", "Slope", "Change by it", "p"], rows)
    )


def _power(report: Mapping) -> str:
    """Which slopes these images could have shown."""
    power = report["power"]
    figure, alt = power_curve(pd.DataFrame(power["curve"]), power["detectable"])
    return (
        f"<h2>What could have been found?</h2>\n<p>{power['worlds']} samples simulated for each slope, with these "
        f"countries and numbers of images: {detectable(power)} is found in 80 % of them (simulation error in "
        f"brackets). Countries lie off the line by a standard deviation of {number(power['tau'])}, as the meta-"
        "regression estimates it; how sure that is, the simulation leaves out.</p>\n"
        f"<figure>{svg(figure, alt, 'power')}<figcaption>Share of samples in which the "
        "paper's test finds a slope. Dotted: the level 0.05, and the slope that is found in 80 %.</figcaption></figure>"
    )


def _countries(table: pd.DataFrame) -> str:
    """All countries, the poorest first."""
    rows = [
        [
            r["name"],
            f"{np.exp(r['log_gdp']):,.0f}",
            f"{r['right']} of {r['n']}",
            f"{number(r['accuracy'])} {interval(r)}",
        ]
        for r in table.sort_values("log_gdp").to_dict("records")
    ]
    heads = ["Country", "GDP per head, US$", "Images right", "Accuracy"]
    return "<h2>Accuracy by country</h2>\n" + _table("Countries, the poorest first", heads, rows)


def _skipped(report: Mapping) -> str:
    """The images that were left out, and why."""
    if not report["skipped"]:
        return ""
    rows = [[str(row["line"]), row["path"], row["reason"]] for row in report["skipped"]]
    listed = _table("Images left out", ["Line", "Image", "Reason"], rows, numbers=False)
    lost = f" No image is left of {', '.join(report['without_images'])}." if report["without_images"] else ""
    return (
        f'<h2>Skipped</h2>\n<p class="note">{len(rows)} of {report["images"]["listed"]} images were left out of every '
        f"number above.{html.escape(lost)}</p>\n<details><summary>All of them</summary>{listed}</details>"
    )


def _origin(report: Mapping) -> str:
    """Method, sources and versions."""
    rows = [[key, str(value)] for key, value in report["provenance"].items()]
    return (
        "<h2>Where this comes from</h2>\n<p>Method: section 4 of Hua, Xu, Blanchet and Nguyen, Human Imperceptible "
        f"Attacks and Applications to Improve Fairness (arXiv:2111.15603). GDP per head: {report['gdp']}. Images: "
        f"{html.escape(report['model']['preparation'])}; {report['model']['classes']} classes.</p>\n"
        + _table("Provenance", ["Fact", "Value"], rows, numbers=False)
    )


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A table whose first column names its rows; `numbers`: the other columns are aligned to the right."""
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
