"""The numbers of a report in words: for the terminal and for the page."""

from collections.abc import Mapping

from fairlib import fairness


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals and a real minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


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


def summary(report: Mapping) -> str:
    """The audit's answer in a few sentences.

    Parameters
    ----------
    report : mapping
        What `REPORT.json` holds.

    Returns
    -------
    str
        Whether there is a slope, how steep a one these images could have shown, and what was left out.
    """
    slope, effect, images = report["slope"], report["effect"], report["images"]
    p = p_value(slope["p"])
    test = (
        f"slope {number(slope['slope'])} {interval(slope)} per unit of log GDP, "
        f"F(1, {slope['df']}) = {number(slope['F'], 2)}, p {p if p.startswith('<') else f'= {p}'}"
    )
    if slope["p"] is not None and slope["p"] < fairness.LEVEL:
        direction = "more" if effect["doubling"] > 0 else "less"
        points = f"{number(100 * effect['doubling'], 1)} {interval(effect, 'doubling', 1, 100)} points"
        sentences = [
            f"The richer the country, the {direction} accurate: {points} for each doubling of GDP per head ({test})."
        ]
    else:
        sentences = [f"No slope is established ({test})."]
    sentences.append(f"With these countries and images, {detectable(report['power'])} is found in 80 % of cases.")
    if images["skipped"]:
        sentences.append(f"{images['skipped']} of {images['listed']} images were skipped.")
    if report["without_images"]:
        sentences.append(f"No image is left of {', '.join(report['without_images'])}.")
    return " ".join(sentences)
