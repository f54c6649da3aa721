"""The choices, what measures each of them, and how that reads on the page."""

from collections.abc import Callable

import pandas as pd

from fairlib import data
from fairlib.book import claims
from fairlib.book.experiments.ambiguities_hua import attacks, digits, training
from fairlib.book.experiments.ambiguities_hua.kinds import Missing, Rows, number

COLUMNS = ["row", "measure", "role", "variant", "outcome", "kind", "value", "low", "high", "n", "of", "off_levels"]
# What a switch of distances is where it is no open reading of the text: two settings that the paper prints, the scale
# of a number that it prints without a unit, or another ruler laid to the same pictures.
# A stand-in is another of what is not at hand.
ROLES = {
    **{"confidence": "printed", "lambda": "scale", "other_classifiers": "stand-in"},
    **{"backbone": "ruler", "judges": "ruler", "means_over": "ruler"},
}
SOURCES = (  # whose records speak
    *("table1", "rivals", "steps_and_leads", "classifiers", "ssim_one_step"),
    *("bias_metric", "trust", "dro_training", "fairer"),
)
# What a chapter is called in a link.
CHAPTERS = {
    **{"table1": "table 1", "truncation": "truncation", "compression": "compression", "trust": "tests and their size"},
    **{"ssim_one_step": "one-step SSIM", "perceptual_attack": "Algorithm 1", "bias_metric": "bias of a classifier"},
    **{"dro_training": "Algorithms 2 and 3", "fairer": "fairer models"},
}
# What a number of the ledger is called on the page.
QUANTITIES = {
    "bias_metric:ftest/p": "p of the printed F with 39 degrees of freedom",
    "trust:world/variance_exponent": "exponent of n in the standard deviation of an accuracy",
    "trust:ttest/pgd/p/df=49": "p of t = 3.85, 49 degrees of freedom",
    "trust:ttest/pgd/p/two_sample": "p of t = 3.85, two samples of 50",
    "trust:ttest/size/same_attack": "rejections between two runs of one attack",
    "fairer:slope/pgd_minus_ours": "slope of PGD's models minus ours, countries and data sets drawn anew",
    "fairer:slope/drob/pgd_minus_ours": "the same, each data set counted once",
    "dro_training:raw_steps/share_finite": "share of runs with steps alpha P that stay finite",
    "dro_training:weights/last_minus_first": "share of the sampling law on the last iteration minus the first",
}

EFFECTS = attacks.EFFECTS | digits.EFFECTS | training.EFFECTS


def ledger() -> pd.DataFrame:
    """The choices, a row each; `measures` and `why` are "" where there is none."""
    return data.table("ambiguities_hua").fillna({"measures": "", "why": ""})


def measured(choices: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, str]]:
    """What the records say of these rows of `ledger`: the effects, `COLUMNS`, and by row why there are none.

    `kind` says what a value is. Of a choice that was switched: `times`, the ratio of two means; `share`, a difference
    of two shares; `slope`, a difference of two slopes. `number`, itself, switches nothing. The intervals are 95 %; `n`
    counts what a value is a mean over (images, worlds), or is None; `of` how many were tried. Where that is more, the
    images are a selection, those on which both attacks succeed. `role` is one of `ROLES`, or `reading`. The reason is
    the row's own `why`, or the records missing.
    """
    found, reasons = [], {}
    for r in choices.itertuples():
        missing = []
        for measure in filter(None, r.measures.split(";")):
            try:
                about = {"row": r.row, "measure": measure, "role": ROLES.get(measure, "reading")}
                found += [about | effect for effect in effects(measure)]
            except Missing as error:
                missing.append(str(error))
            except FileNotFoundError:
                missing.append(f"the records behind {r.chapter} are not complete")
        if all(effect["row"] != r.row for effect in found):
            reasons[r.row] = r.why or f"not measured here: {'; '.join(dict.fromkeys(missing))}"
    return pd.DataFrame(found, columns=COLUMNS), reasons


def effects(measure: str) -> Rows:
    """What one key measures. Raises ValueError for an unknown one, Missing or FileNotFoundError without its records."""
    if measure in EFFECTS:
        return EFFECTS[measure]()
    if measure not in QUANTITIES:
        raise ValueError(f"measure is {measure!r}, expected one of: {', '.join([*EFFECTS, *QUANTITIES])}")
    chapter, _, quantity = measure.partition(":")
    if quantity not in (recorded := claims.recorded(chapter)):
        raise Missing(f"{chapter} has not recorded {quantity}")
    e = recorded[quantity]
    return [number(QUANTITIES[measure], {"value": e.value, "low": e.low, "high": e.high, "n": e.n})]


def text(effect) -> str:
    """A row of `measured` in one line."""
    if effect.kind == "number":
        return f"{effect.variant}: {numbers(effect)}"
    over = f"; {images(effect)}" if effect.kind == "times" else ""
    return f"{effect.outcome} {numbers(effect)} ({effect.variant}{over})"


def images(effect) -> str:
    """The images of a factor: how many, of how many where that is a selection, whether a file would change them."""
    of = f" of {effect.of:.0f}" if effect.of > effect.n else ""
    return f"{effect.n:.0f}{of} images{', not rounded to 256 levels' if effect.off_levels else ''}"


def numbers(effect) -> str:
    """Value and interval of a row of `measured`, or the value alone where its ends are printed like it."""
    style = {"times": _factor, "share": _signed(2), "slope": _signed(4), "number": "{:.3g}".format}[effect.kind]
    value, low, high = map(style, (effect.value, effect.low, effect.high))
    return ("× " if effect.kind == "times" else "") + (value if low == high else f"{value} [{low}, {high}]")


def _factor(v: float) -> str:
    return f"{v:.2f}" if 0.1 <= v < 10 else f"{v:.2g}"


def _signed(digits: int) -> Callable[[float], str]:
    return lambda v: f"{round(v, digits) + 0.0:+.{digits}f}"  # no -0.00


def link(choice) -> str:
    """Where a row of `ledger` is measured, as HTML for a page in `notebooks/`."""
    return f'<a href="../notebooks/{choice.chapter}.html#{choice.anchor}">{CHAPTERS[choice.chapter]}</a>'
