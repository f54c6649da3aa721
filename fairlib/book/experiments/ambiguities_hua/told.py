"""What the page on the second paper's choices says of distances, in words that follow the intervals."""

import numpy as np
import pandas as pd

from fairlib.book.experiments import table1
from fairlib.book.experiments.ambiguities_hua.choices import numbers, text
from fairlib.book.experiments.ambiguities_hua.kinds import OUTCOMES, method, times

CHANGE, DRAWN = 1.5, 2**0.1  # by what factor a mean distance changes, or is worth drawing
GROUPS = {"reading": "", "scale": ""} | {r: f"{r}: " for r in ("printed", "stand-in", "ruler")}  # roles, their labels
SAVED = '<a href="../notebooks/table1.html#sand">What saving those pictures leaves of them</a>, and of the attack'


def distances(effects: pd.DataFrame) -> pd.DataFrame:
    """The factors of table 1's distances over all images that were tried, so that none rests on a selection.

    `size` is how far from 1, in doublings; `moves` whether it is `CHANGE` or more and the interval excludes 1; `at` the
    lambda of a scale.
    """
    found = effects[(effects["kind"] == "times") & effects["outcome"].isin(OUTCOMES) & (effects["n"] == effects["of"])]
    size = np.log2(found["value"].astype(float)).abs()
    moves = ((found["low"] > 1) | (found["high"] < 1)) & (size >= np.log2(CHANGE))
    at = found["variant"].str.extract(r"^lambda = ([\d.e+]+)")[0].astype(float)
    return found.assign(size=size, moves=moves, at=at)


def rows(found: pd.DataFrame) -> str:
    """Row 3; rows 3 and 4; no row."""
    *most, last = [str(row) for row in sorted(found["row"].unique())] or ["no row"]
    return f"rows {', '.join(most)} and {last}" if most else last if last == "no row" else f"row {last}"


def readings(effects: pd.DataFrame, topics: pd.Series) -> str:
    """Which rows change a distance, apart by the role of the switch. `topics` are the ledger's by row."""
    moved = distances(effects).query("moves")
    by = {role: moved[moved["role"] == role] for role in GROUPS}
    off = by["reading"]["off_levels"].astype(bool)
    held, unsaved = by["reading"][~off], by["reading"][off]
    said = [
        f"{by['reading']['row'].nunique()} open readings of the text change a mean {' or '.join(OUTCOMES)} of the "
        f"paper's table 1 by a factor of {CHANGE:g} or more, with a 95 % interval that excludes 1: "
        f"{rows(by['reading'])}."
    ]
    if len(held):
        said.append(f"The largest of these factors, on pictures that a file holds as they are: {_most(held, topics)}.")
    if len(unsaved):
        nearer = len(held) and unsaved["size"].max() < held["size"].max()
        said.append(
            f"{'Nearer to' if nearer else 'Further from'} 1 is {_most(unsaved, topics)}. {SAVED}, is not in it."
        )
    if len(by["scale"]):
        begins = f"from $\\lambda$ = {by['scale']['at'].min():,.0f} on, where the paper prints 1"
        said.append(f"One number's scale does as much ({rows(by['scale'])}), {begins}.")
    apart = f"settings that the paper prints side by side ({rows(by['printed'])})"
    other = f", other stand-ins for what is not at hand ({rows(by['stand-in'])})" if len(by["stand-in"]) else ""
    said.append(f"Not counted: {apart}{other}, and another ruler for the same pictures ({rows(by['ruler'])}).")
    return " ".join(said)


def _most(found: pd.DataFrame, topics: pd.Series) -> str:
    e = found.loc[found["size"].idxmax()]
    return f"{text(e)}, row {e['row']}, {topics[e['row']][0].lower()}{topics[e['row']][1:]}"


def drawn(effects: pd.DataFrame) -> pd.DataFrame:
    """Each row's largest switch, where it is worth drawing, by role; `label` and `series` as `plots.dots` asks."""
    whole = distances(effects)
    best = whole.loc[whole.groupby("row")["size"].idxmax()]
    best = best[best["size"] >= np.log2(DRAWN)].assign(rank=lambda t: t["role"].map(list(GROUPS).index))
    best = best.sort_values(["rank", "size"], ascending=[True, False])
    shown = best[["row", "variant", "role"]].merge(whole.drop(columns="role"), on=["row", "variant"])
    label = shown["row"].astype(str) + "  " + shown["role"].map(GROUPS) + shown["variant"]
    return shown.assign(label=label, series=shown["outcome"])


def scale(effects: pd.DataFrame) -> str:
    """From which lambda on a distance changes, and what the smaller ones do."""
    swept = distances(effects).dropna(subset=["at"])
    if not swept["moves"].any():
        return f"none that was tried changes a distance by a factor of {CHANGE:g}."
    begins = swept.loc[swept["moves"], "at"].min()
    first = swept[swept["moves"] & (swept["at"] == begins)]
    below = swept.loc[swept["at"] < begins, "value"]
    less = f"; below it the factors are {below.min():.2f} to {below.max():.2f}" if len(below) else ""
    largest = text(first.loc[first["size"].idxmax()])
    return f"of those tried the first to change a distance by a factor of {CHANGE:g} is {begins:,.0f}, {largest}{less}."


def ruler(effects: pd.DataFrame) -> str:
    """Which network's LPIPS the printed size fits, VGG16's or AlexNet's, and whether beyond the intervals."""
    printed = table1.published().loc["pgd", "LPIPS"]
    over = effects[effects["variant"].str.startswith("LPIPS of PGD")].iloc[0]  # VGG16's here over the printed one
    vgg, low, high = (float(over[end]) for end in ("value", "low", "high"))
    said = (
        f"PGD here, LPIPS on VGG16: {vgg * printed:.1f} [{low * printed:.1f}, {high * printed:.1f}]; the paper prints "
        f"{printed}, a factor of {vgg:.2f} [{low:.2f}, {high:.2f}] away."
    )
    alex = effects[effects["measure"] == "backbone"]
    if alex.empty:
        return said
    by = vgg * alex["value"]
    (own, _), (near, far) = misses(vgg, vgg), misses(by.min(), by.max())
    (a, b), (c, d) = misses(low, high), misses(low * alex["low"].min(), high * alex["high"].max())
    fits = "fits better" if own < near else "fits worse" if own > far else "fits about as well"
    return (
        f"{said} AlexNet's LPIPS over VGG16's is known for images of Algorithm 1 only: "
        f"{', '.join(f'{numbers(e)} ({e.n:.0f} images)' for e in alex.itertuples())}. If PGD's had the same, AlexNet "
        f"would give {by.min() * printed:.1f} to {by.max() * printed:.1f}, a factor of {near:.1f} to {far:.1f} away "
        f"({c:.1f} to {d:.1f} by the ends of the intervals). So VGG16 {fits}; these intervals "
        f"{'lie apart' if b < c or d < a else 'overlap'}. The pictures are another classifier's: it decides nothing."
    )


def misses(low: float, high: float) -> tuple[float, float]:
    """The least and the largest factor by which what lies between these misses 1."""
    off = sorted(2 ** abs(np.log2(end)) for end in (low, high))
    return (1.0 if low <= 1 <= high else off[0]), off[1]


def exponent(effects: pd.DataFrame) -> str:
    """What row 26's exponent says beside the one of images drawn alone."""
    raw, bare = (effects[effects["measure"] == m].iloc[0] for m in ("trust:world/variance_exponent", "exponent"))
    out = [not e["low"] <= -0.5 <= e["high"] for e in (raw, bare)]
    return (
        "images drawn alone would give the exponent -0.5, the printed $\\Sigma$ as a variance -0.25. Found is "
        f"{numbers(raw)}, whose interval {'leaves out' if out[0] else 'holds'} -0.5. Without what countries that are "
        f"right more often add it is {numbers(bare)}, whose interval {'leaves it out' if out[1] else 'holds it'}"
        f"{': that is the difference' if out == [True, False] else ''}."
    )


def start_by_l1() -> dict:
    """The factor by which PPGD's mean L1 changes where it starts at the image itself, as `kinds.times` gives it."""
    (found,) = times(
        "", *(method(r, "ppgd") for r in (table1.tried(table1.recorded("start")), table1.attacked_rows())), ["L1"]
    )
    return found
