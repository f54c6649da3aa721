"""The numbers of a report in words: for the terminal and for the page."""

import math
from collections.abc import Mapping

THIRDS = "thirds of wealth"  # the grouping that nobody asks for


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals and a real minus sign; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def p_value(p: float | None) -> str:
    """A p-value: three decimals, `< 0.001` below, a dash where there is none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(row: Mapping, name: str = "", digits: int = 3, scale: float = 1) -> str:
    """The interval of a row that has `low` and `high`, or `NAME_low` and `NAME_high`; both times `scale`."""
    low, high = (row[f"{name}_{end}" if name else end] for end in ("low", "high"))
    ends = [number(None if end is None else scale * end, digits) for end in (low, high)]
    return f"[{', '.join(ends)}]"


def detectable(power: Mapping) -> str:
    """The slope that is found in 80 % of simulated samples, with the interval of the simulation."""
    if power["detectable"] is None:
        return f"no slope up to {number(power['curve'][-1]['slope'])}"
    return f"a slope of {number(power['detectable'])} {interval(power, 'detectable')}"


def slope_words(test: Mapping) -> str:
    """A slope, its interval and its test."""
    F = f", F(1, {test['df']}) = {number(test['F'], 2)}" if "F" in test else ""
    return f"slope {number(test['slope'])} {interval(test)} per unit of log wealth{F}, p {p_equals(test['p'])}"


def p_equals(p: float | None) -> str:
    """A p-value with the sign before it."""
    words = p_value(p)
    return words if words.startswith("<") else f"= {words}"


def headline(report: Mapping) -> str:
    """The verdict in a sentence or two.

    Parameters
    ----------
    report : mapping
        What `REPORT.json` holds.

    Returns
    -------
    str
        Too few images to say, and what would suffice; or what the primary analysis says.
    """
    verdict = report["verdict"]
    if verdict["outcome"] is None:
        return "No slope was asked for: there are fewer than three countries, and one wealth in each."
    if verdict["too_few"]:
        return " ".join(f"{text[0].upper()}{text[1:]}." for text in verdict["too_few"])
    primary = verdict[verdict["term"]]
    whose = "the country" if verdict["term"] == "between" else "the household, within its country"
    if verdict["outcome"] != "established":
        return f"Between images of one class no slope is established ({slope_words(primary)})."
    direction = "more" if primary["slope"] > 0 else "less"
    doubling = {name: math.log(2) * primary[name] for name in ("slope", "low", "high")}
    points = f"{number(100 * doubling['slope'], 1)} {interval(doubling, '', 1, 100)} points"
    return (
        f"Between images of one class: the richer {whose}, the {direction} accurate: {points} for each doubling of "
        f"wealth ({slope_words(primary)})."
    )


def raw_words(report: Mapping) -> str:
    """The raw slope, called raw, in a sentence; nothing where there is none."""
    slope = report["slope"]
    if slope is None:
        return ""
    return f"Raw, all classes mixed: {slope_words(slope)}."


def group_words(report: Mapping) -> list[str]:
    """The gap between the groups of each column that was asked for, beside what chance gives, in a sentence each."""
    sentences = []
    for each in report["groups"]:
        if each["by"] != THIRDS:
            extremes = each["extremes"]
            sentences.append(
                f"By {each['by']}: {extremes['worst']} is worst with {number(extremes['worst_accuracy'])}, "
                f"{number(extremes['gap'])} below the best, p {p_equals(extremes['gap_p_value'])}; chance alone gives "
                f"a gap of {number(extremes['chance_gap'][0])}."
            )
    return sentences


def summary(report: Mapping) -> str:
    """The audit's answer in a few sentences.

    Parameters
    ----------
    report : mapping
        What `REPORT.json` holds.

    Returns
    -------
    str
        The verdict, the raw slope beside it, the groups that were asked for, whether the tests disagree, how steep a
        slope these images could have shown, and what was left out.
    """
    images = report["images"]
    sentences = [headline(report), raw_words(report), *group_words(report)]
    if report["verdict"]["warnings"]:
        sentences.append("The tests do not agree; see the warnings.")
    if report["power"]:
        sentences.append(
            f"With these countries and images, {detectable(report['power'])} is found in 80 % of cases (raw)."
        )
    if images["skipped"]:
        sentences.append(f"{images['skipped']} of {images['listed']} images were skipped.")
    if report["without_images"]:
        sentences.append(f"No image is left of {', '.join(report['without_images'])}.")
    return " ".join(sentence for sentence in sentences if sentence)
