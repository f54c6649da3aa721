"""The sections of an audit's page, each from the report; a section of what there is not is empty."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fairlib import fairness, geography
from fairlib.audit import figures, markup
from fairlib.audit.words import detectable, interval, number, p_equals, p_value, summary

INFLUENTIAL = 10  # countries in the table of those that carry the slope
CLASSES = 20  # in the table of classes; the CSV file has all
SKIPPED = 200  # in the list of images left out
ASSUMPTIONS = {
    "gls": "The paper's: least squares with variances like 1/√n, F-test",
    "wls": "Variances like 1/n",
    "ols": "Equal variances",
    "hc3": "The paper's line, robust errors (HC3)",
    "meta": "Random-effects meta-regression (REML, Knapp-Hartung)",
}


def warnings(report: Mapping) -> str:
    """The warnings, above everything else."""
    return "\n".join(f'<p class="note">Warning: {html.escape(text)}</p>' for text in report["warnings"])


def answer(report: Mapping) -> str:
    """The answer, how the verdict is made, and the conditions."""
    images, verdict = report["images"], report["verdict"]
    conditions = [[c["text"], _value(c["value"]), "met" if c["met"] else "not met"] for c in report["conditions"]]
    outcome = markup.table("Conditions that make this audit fail", ["Condition", "Value", "Outcome"], conditions)
    primary = f"<p>{html.escape(verdict['primary'])}</p>\n" if verdict["outcome"] else ""
    countries = len(report["countries"])
    return (
        f'<p class="answer">{html.escape(summary(report))}</p>\n{primary}{outcome if conditions else ""}'
        f"<p>{images['classified']:,} images of {html.escape(report['manifest'])} from {countries} "
        f"{'country' if countries == 1 else 'countries'}; accuracy over all images {number(report['accuracy'])} "
        f"{interval(report, 'accuracy')}, a right class among the first five for {number(report['accuracy_top_5'])}, "
        f"mean confidence {number(report['confidence'])}. "
        f"Brackets hold 95 % intervals.</p>{_precision(report)}"
    )


def _value(value: float | str | None) -> str:
    """What a condition looked at."""
    return value if isinstance(value, str) else number(value, 4)


def _precision(report: Mapping) -> str:
    """What mixed precision changed, where it was on."""
    if not (counted := report["precision"]):
        return ""
    return (
        f"\n<p>Computed in mixed precision: of {counted['compared']} images that were classified in full as well, "
        f"{counted['differ']} got another answer.</p>"
    )


def like_with_like(report: Mapping, table: pd.DataFrame) -> str:
    """The primary analysis, what classes explain, and how far countries show the same classes."""
    verdict = report["verdict"]
    if verdict["outcome"] is None:
        return ""
    slopes = {
        "Adjusted: between images of one class, on the country's wealth (primary)": verdict["between"],
        "Adjusted: between images of one class and country, on the image's own wealth": verdict["within"],
        "The first with all classes mixed": verdict["unadjusted"],
        "Raw: the paper's regression": report["slope"],
    }
    rows = [
        [words, f"{number(each['slope'])} {interval(each)}", number(each["df"], 1), p_value(each["p"])]
        for words, each in slopes.items()
        if each
    ]
    overlap = verdict["overlap"]
    shared = (
        f"{overlap['classes']:,} classes, of which {overlap['shared_classes']:.0%} are seen in two countries or more; "
        f"they have {overlap['shared_images']:.0%} of the images. The others say nothing about countries, like with "
        "like."
    )
    explained = ""
    if verdict["explained"] is not None:
        explained = (
            f" {number(verdict['explained'])} of the slope with all classes mixed goes with the mix of classes. That "
            "is "
            "adjusted, not corrected: where poverty decides what people own, class is a way by which it acts."
        )
    figure = ""
    if verdict["between"]:
        drawn = figures.svg(*figures.like_with_like(table, verdict["between"]["slope"]), "classes")
        figure = (
            f"\n<figure>{drawn}<figcaption>Each dot is a country, larger with more images: how much more accurate its "
            "images are than all of the same classes, against how much wealthier. The line is the primary analysis."
            "</figcaption></figure>"
        )
    listed = markup.table("The slope per unit of log wealth", ["Which", "Slope", "Degrees of freedom", "p"], rows)
    return f"<h2>Like with like</h2>\n<p>{shared}{explained}</p>\n{listed if rows else ''}{figure}"


def raw(report: Mapping, table: pd.DataFrame) -> str:
    """The raw slope: the figure of all countries."""
    effect = report["effect"]
    if not effect:
        return ""
    line = fairness.band(table, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    line[["accuracy", "low", "high"]] = line[["accuracy", "low", "high"]].clip(0, 1)  # no accuracy lies outside
    own = report["gdp"].partition(",")[0] not in geography.SOURCES
    drawn = figures.accuracy_by_wealth(table, line, **({"wealth": "wealth"} if own else {}))
    return (
        "<h2>The raw slope</h2>\n<p>All classes mixed: what countries photograph and how well it is recognised, "
        "both. On "
        f"the line the richest country leads the poorest by {number(100 * effect['gap'], 1)} "
        f"{interval(effect, 'gap', 1, 100)} points of accuracy.</p>\n<figure>"
        f"{figures.svg(*drawn, 'wealth')}<figcaption>Each dot is a country with the "
        "95 % interval of its accuracy (Wilson); the line is the paper's regression with its 95 % band, cut at 0 and 1."
        "</figcaption></figure>"
    )


def tests(report: Mapping) -> str:
    """The slope under each assumption about the errors."""
    if not report["tests"]:
        return ""
    rows = [[ASSUMPTIONS[t["method"]], f"{number(t['slope'])} {interval(t)}", p_value(t["p"])] for t in report["tests"]]
    permutation = report["permutation"]
    rows.append(["Wealth dealt out to the countries anew (permutation)", "–", p_value(permutation["p"])])
    ends = html.escape(f"[{p_value(permutation['low'])}, {p_value(permutation['high'])}]")
    exact = permutation["low"] == permutation["high"]
    tried = "all orders were tried" if exact else f"random orders; the 95 % interval of p is {ends}"
    return (
        "<h2>Is it chance?</h2>\n<p>The raw slope by the paper's test, and what other assumptions about the errors "
        "give. Where they "
        f"disagree, the slope rests on an assumption. The permutations: {tried}.</p>\n"
        + markup.table("The slope, test by test", ["Assumption", "Slope", "p"], rows)
    )


def influence(report: Mapping, table: pd.DataFrame) -> str:
    """The slope without each of the countries that move it most."""
    if not report["influence"]:
        return ""
    rows = [
        [table["name"][r["country"]], number(r["slope"]), number(r["change"]), p_value(r["p"])]
        for r in report["influence"][:INFLUENTIAL]
    ]
    return (
        "<h2>Which countries carry it?</h2>\n<p>The raw slope, each country left out in turn; those that move it "
        "most come "
        "first. The changes describe these images and are no estimates, so they have no intervals.</p>\n"
        + markup.table("The slope without a country", ["Without", "Slope", "Change by it", "p"], rows)
    )


def power(report: Mapping) -> str:
    """Which slopes these images could have shown."""
    power = report["power"]
    if not power:
        return ""
    figure, alt = figures.power_curve(pd.DataFrame(power["curve"]), power["detectable"])
    return (
        f"<h2>What could have been found?</h2>\n<p>By the test of the raw slope: {power['worlds']:,} samples simulated "
        "for each slope, with these "
        f"countries and numbers of images: {detectable(power)} is found in 80 % of them (simulation error in "
        f"brackets). Countries lie off the line by a standard deviation of {number(power['tau'])}, as the meta-"
        "regression estimates it; how sure that is, the simulation leaves out.</p>\n"
        f"<figure>{figures.svg(figure, alt, 'power')}<figcaption>Share of samples in which the "
        "paper's test finds a slope. Dotted: the level 0.05, and the slope that is found in 80 %.</figcaption></figure>"
    )


def countries(table: pd.DataFrame) -> str:
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
    heads = ["Country", "Wealth", "Images right", "Accuracy"]
    return "<h2>Accuracy by country</h2>\n" + markup.table("Countries, the poorest first", heads, rows)


def classes(report: Mapping) -> str:
    """The classes with the most images."""
    shown = sorted(report["classes"], key=lambda row: -row["n"])[:CLASSES]
    rows = [
        [str(r["class"]), str(r["countries"]), f"{r['right']} of {r['n']}", f"{number(r['accuracy'])} {interval(r)}"]
        for r in shown
    ]
    more = (
        f", {len(shown)} of {len(report['classes']):,}; the CSV file of classes has all"
        if len(shown) < len(report["classes"])
        else ""
    )
    heads = ["Class", "Countries", "Images right", "Accuracy"]
    return "<h2>Accuracy by class</h2>\n" + markup.table(
        f"Classes, those with the most images first{more}", heads, rows
    )


def groups(report: Mapping) -> str:
    """Each grouping, its groups beside what chance alone gives."""
    parts = [_grouping(each) for each in report["groups"]]
    worst = report["worst_country"]
    country = ""
    if worst:
        country = (
            f"<p>The worst country is {html.escape(worst['worst'])} with {number(worst['worst_accuracy'])}. Of so many "
            f"countries with such images chance alone gives a worst one of {_chance(worst['chance_worst'])} "
            f"(p {html.escape(p_equals(worst['worst_p_value']))}).</p>\n"
        )
    return "<h2>Groups</h2>\n" + country + "\n".join(parts) if parts or country else ""


def _grouping(compared: Mapping) -> str:
    """One grouping's table."""
    rows = [
        [
            str(r["group"]),
            f"{r['right']} of {r['n']}",
            f"{number(r['accuracy'])} {interval(r)}",
            f"{number(r['difference'])} {interval(r, 'chance')}",
            p_value(r["adjusted_p_value"]),
        ]
        for r in compared["rows"]
    ]
    extremes = compared["extremes"]
    heads = ["Group", "Images right", "Accuracy", "Against the rest, and what chance gives", "p, adjusted"]
    gap = html.escape(
        f"From worst to best {number(extremes['gap'])}; chance alone gives {_chance(extremes['chance_gap'])}, p "
        f"{p_equals(extremes['gap_p_value'])}."
    )
    if all(r["chance_low"] == r["chance_high"] for r in compared["rows"]):
        gap += " No class is seen in two of these groups, so that nothing here is compared like with like."
    return markup.table(f"By {html.escape(compared['by'])}", heads, rows) + f"\n<p>{gap}</p>"


def _chance(numbers: Sequence[float]) -> str:
    """A median and the interval around it."""
    median, low, high = numbers
    return f"{number(median)} [{number(low)}, {number(high)}]"


def cannot_say() -> str:
    """What no audit of this kind can say."""
    return (
        "<h2>What this audit cannot say</h2>\n<ul>\n"
        "<li>Whether the labels are right. A class may mean another thing elsewhere, and a label set by somebody who "
        "has "
        "never seen the object is wrong more often.</li>\n"
        "<li>Whether wealth is the cause. It stands for light, cameras, climate, language and what shops sell; an "
        "image "
        "differs in all of these at once.</li>\n"
        "<li>Whether these photographs are those that the model will meet: somebody chose the countries, the "
        "households "
        "and the pictures.</li>\n"
        "<li>That a model without an established slope is fair. See what could have been found.</li>\n</ul>"
    )


def skipped(report: Mapping) -> str:
    """The images that were left out, and why."""
    if not report["skipped"]:
        return ""
    rows = [[str(row["line"]), row["path"], row["reason"]] for row in report["skipped"]]
    left = f"The first {SKIPPED}" if len(rows) > SKIPPED else "All of them"
    listed = markup.table("Images left out", ["Line", "Image", "Reason"], rows[:SKIPPED], numbers=False)
    lost = f" No image is left of {', '.join(report['without_images'])}." if report["without_images"] else ""
    return (
        f'<h2>Skipped</h2>\n<p class="note">{len(rows)} of {report["images"]["listed"]} images were left out of every '
        f"number above.{html.escape(lost)}</p>\n<details><summary>{left}</summary>{listed}</details>"
    )


def origin(report: Mapping) -> str:
    """Method, sources and versions."""
    rows = [[key, str(value)] for key, value in report["provenance"].items()]
    return (
        "<h2>Where this comes from</h2>\n<p>Method: section 4 of Hua, Xu, Blanchet and Nguyen, Human Imperceptible "
        f"Attacks and Applications to Improve Fairness (arXiv:2111.15603). Wealth: {html.escape(report['gdp'])}. "
        "Images: "
        f"{html.escape(report['model']['preparation'])}; {report['model']['classes']} classes.</p>\n"
        + markup.table("Provenance", ["Fact", "Value"], rows, numbers=False)
    )
