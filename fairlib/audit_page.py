"""The page that `fairlib.audit` writes: one HTML file with everything in it, figures as SVG, light and dark."""

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairlib import fairness
from fairlib.book import plots

CARRIERS = 10  # countries in the table of those that carry the slope
NAMES = {
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


def number(value: float | None, digits: int = 3) -> str:
    """A number for the page; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def chance(p: float | None) -> str:
    """A p-value for the page."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(row: Mapping, name: str = "", digits: int = 3, scale: float = 1) -> str:
    """The interval of a row that has `low` and `high`, or `NAME_low` and `NAME_high`; both times `scale`."""
    ends = (row[f"{name}_{end}" if name else end] for end in ("low", "high"))
    low, high = (number(None if end is None else scale * end, digits) for end in ends)
    return f"[{low}, {high}]"


def reached(power: Mapping) -> str:
    """The slope that is found in 80 % of simulated cases, with the interval of the simulation."""
    if power["detectable"] is None:
        return f"no slope up to {number(power['curve'][-1]['slope'])}"
    return f"a slope of {number(power['detectable'])} {interval(power, 'detectable')}"


def summary(found: Mapping) -> str:
    """The audit's answer in a few sentences."""
    slope, effect, images = found["slope"], found["effect"], found["images"]
    p = chance(slope["p"])
    tested = (
        f"slope {number(slope['slope'])} {interval(slope)} per unit of log GDP, "
        f"F(1, {slope['df']}) = {number(slope['F'], 2)}, p {p if p.startswith('<') else f'= {p}'}"
    )
    if slope["p"] is not None and slope["p"] < fairness.LEVEL:
        way = "more" if effect["doubling"] > 0 else "less"
        points = f"{number(100 * effect['doubling'], 1)} {interval(effect, 'doubling', 1, 100)} points"
        said = [f"The richer the country, the {way} accurate: {points} for each doubling of GDP per head ({tested})."]
    else:
        said = [f"No slope is established ({tested})."]
    said.append(f"With these countries and images, {reached(found['power'])} is found in 80 % of cases.")
    if images["skipped"]:
        said.append(f"{images['skipped']} of {images['listed']} images were skipped.")
    if found["without_images"]:
        said.append(f"No image is left of {', '.join(found['without_images'])}.")
    return " ".join(said)


def svg(figure: Figure, alt: str, name: str) -> str:
    """A figure as an SVG element that follows the page's colours and bears its alt text; `name` keeps its ids apart."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawn)
    drawn = re.sub(r"#(?:262626|000000)\b", "currentColor", drawn).replace("#dddddd", "var(--rule)")
    # Letters have the SVG's default colour, black, unless told otherwise.
    label = f'role="img" fill="currentColor" aria-label="{html.escape(alt)}"'
    return drawn.replace("<svg ", f"<svg {label} ", 1)


def html_page(found: Mapping, table: pd.DataFrame) -> str:
    """The whole page for a report of `fairlib.audit.run` and its country table."""
    title = html.escape(f"Accuracy and wealth: {found['model']['name']}")
    sections = [_warnings(found), _answer(found, table), _tests(found), _carriers(found, table), _power(found)]
    sections += [_countries(table), _skipped(found), _origin(found)]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n<h1>{title}</h1>\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>\n"
    )


def _warnings(found: Mapping) -> str:
    return "\n".join(f'<p class="note">Warning: {html.escape(text)}</p>' for text in found["warnings"])


def _answer(found: Mapping, table: pd.DataFrame) -> str:
    line = fairness.band(table, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    effect, images = found["effect"], found["images"]
    conditions = [[c["text"], number(c["value"], 4), "met" if c["met"] else "not met"] for c in found["conditions"]]
    asked = _table("Conditions that make this audit fail", ["Condition", "Value", "Outcome"], conditions)
    return (
        f'<p class="answer">{html.escape(summary(found))}</p>\n{asked if conditions else ""}'
        f"<p>{images['classified']} images of {html.escape(found['manifest'])} from {len(table)} countries; accuracy "
        f"over all images {number(found['accuracy'])} {interval(found, 'accuracy')}. On the line the richest country "
        f"leads the poorest by {number(100 * effect['gap'], 1)} {interval(effect, 'gap', 1, 100)} points of accuracy. "
        "Brackets hold 95 % intervals.</p>\n<figure>"
        f"{svg(*plots.wealth({'': (table, line)}), 'wealth')}<figcaption>Each dot is a country with the 95 % interval "
        "of its accuracy (Wilson); the line is the paper's regression with its 95 % band.</figcaption></figure>"
    )


def _tests(found: Mapping) -> str:
    rows = [[NAMES[t["method"]], f"{number(t['slope'])} {interval(t)}", chance(t["p"])] for t in found["tests"]]
    dealt = found["permutation"]
    rows.append(["GDPs dealt out to the countries anew (permutation)", "–", chance(dealt["p"])])
    ends = html.escape(f"[{chance(dealt['low'])}, {chance(dealt['high'])}]")
    exact = dealt["low"] == dealt["high"]
    tried = "all orders were tried" if exact else f"random orders; the 95 % interval of p is {ends}"
    return (
        "<h2>Is it chance?</h2>\n<p>The paper's test, and what other assumptions about the errors give. Where they "
        f"disagree, the slope rests on an assumption. The permutations: {tried}.</p>\n"
        + _table("The slope, test by test", ["Assumption", "Slope", "p"], rows)
    )


def _carriers(found: Mapping, table: pd.DataFrame) -> str:
    rows = [
        [table["name"][r["country"]], number(r["slope"]), number(r["change"]), chance(r["p"])]
        for r in found["influence"][:CARRIERS]
    ]
    return (
        "<h2>Which countries carry it?</h2>\n<p>Each country left out in turn; those that move the slope most come "
        "first. The changes describe these images and are no estimates, so they have no intervals.</p>\n"
        + _table("The slope without a country", ["Without", "Slope", "Change by it", "p"], rows)
    )


def _power(found: Mapping) -> str:
    power = found["power"]
    curve = pd.DataFrame(power["curve"]).rename(columns={"slope": "x"}).assign(method="gls")
    figure = plots.rejections({("", "true slope"): curve}, mark=power["detectable"])
    return (
        f"<h2>What could have been found?</h2>\n<p>{power['worlds']} samples simulated for each slope, with these "
        f"countries and numbers of images: {reached(power)} is found in 80 % of them (simulation error in brackets). "
        f"Countries lie off the line by a standard deviation of {number(power['tau'])}, as the meta-regression "
        "estimates it; how sure that is, the simulation leaves out.</p>\n"
        f"<figure>{svg(*figure, 'power')}<figcaption>Share of samples in which the "
        "paper's test finds a slope. Dotted: the level 0.05, and the slope that is found in 80 %.</figcaption></figure>"
    )


def _countries(table: pd.DataFrame) -> str:
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


def _skipped(found: Mapping) -> str:
    if not found["skipped"]:
        return ""
    rows = [[str(row["line"]), row["path"], row["reason"]] for row in found["skipped"]]
    listed = _table("Images left out", ["Line", "Image", "Reason"], rows, numbers=False)
    lost = f" No image is left of {', '.join(found['without_images'])}." if found["without_images"] else ""
    return (
        f'<h2>Skipped</h2>\n<p class="note">{len(rows)} of {found["images"]["listed"]} images were left out of every '
        f"number above.{html.escape(lost)}</p>\n<details><summary>All of them</summary>{listed}</details>"
    )


def _origin(found: Mapping) -> str:
    rows = [[key, str(value)] for key, value in found["provenance"].items()]
    return (
        "<h2>Where this comes from</h2>\n<p>Method: section 4 of Hua, Xu, Blanchet and Nguyen, Human Imperceptible "
        f"Attacks and Applications to Improve Fairness (arXiv:2111.15603). GDP per head: {found['gdp']}. Images: "
        f"{html.escape(found['model']['preparation'])}; {found['model']['classes']} classes.</p>\n"
        + _table("Provenance", ["Fact", "Value"], rows, numbers=False)
    )


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A table whose first column names its rows; `numbers`: the other columns are aligned to the right."""
    kind = ' class="n"' if numbers else ""
    top = f'<th scope="col">{heads[0]}</th>' + "".join(f'<th scope="col"{kind}>{head}</th>' for head in heads[1:])
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td{kind}>{html.escape(cell).replace(', ', ',&nbsp;' if numbers else ', ')}</td>" for cell in rest)
        + "</tr>\n"
        for first, *rest in rows
    )
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{top}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
