"""What choices change about the tests of fairness and the training on the worst case. Second paper, section 4."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from fairlib import fairness, intervals
from fairlib.book.experiments import bias_metric, dro_training, fairer, trust
from fairlib.book.experiments.ambiguities_hua.kinds import NAMES, Missing, Rows, number, share, unpaired


def weights() -> Rows:
    """Rejections in fair worlds with weights n_i (Sigma as a deviation) minus those with sqrt(n_i) (as a variance)."""
    sizes = trust.sizes().rename(columns={"rejected": "right", "worlds": "n"})
    return [
        share("weights n in place of sqrt(n)", "rejected fair worlds", unpaired(sizes.loc["wls"], sizes.loc["gls"]))
    ]


def exponent() -> Rows:
    """How the standard deviation of an accuracy falls with n where all countries are right equally often.

    Images drawn alone give sqrt(q (1 - q) / n), q the share of right ones of a country: what is left without q.
    """
    bare = [t.assign(sd=t["sd"] / np.sqrt(t["expected"] * (1 - t["expected"]))) for t in bias_metric.tables().values()]
    found = intervals.over_seeds([trust.exponent(t) for t in bare]) | {"n": None}
    return [number("the same without what countries that are right more often add", found)]


def scaling() -> Rows:
    """Accuracy after steps that P does not scale, minus that after normalised ones, seed by seed."""
    return _steps([("P samples only", {"scaling": "sampling only"})])


def alpha() -> Rows:
    """Accuracy after steps ten times shorter and longer than this book's, minus that after its own."""
    own = fairer.ALPHA
    return _steps([(f"alpha = {own * factor:g}", {"alpha": own * factor}) for factor in (0.1, 10)])


def _steps(switches: Sequence[tuple[str, dict]]) -> Rows:
    rows = dro_training.recorded("steps")
    default = {"scaling": "normalised", "alpha": fairer.ALPHA}

    def at(setting: dict) -> pd.Series:
        chosen = (rows["scaling"] == setting["scaling"]) & np.isclose(rows["alpha"], setting["alpha"])
        return rows[chosen].set_index("run")["accuracy"]

    found = []
    for variant, switch in switches:
        gap = (at(default | switch) - at(default)).dropna()
        if len(gap) > 1:
            found.append(share(variant, "accuracy", intervals.over_seeds(gap) | {"n": None}))
    return found


def attack_in_training() -> Rows:
    """The slope of models from attacks that are rounded at the end, minus that of models from the printed ones.

    The difference of the means over data sets, each of which counts once, with Welch's interval.
    """
    slopes, found = fairer.slopes(), []
    for arm in ("pgd", "ours"):
        sets = [fairer.by_set(slopes, name) for name in (f"{arm}, rounded at the end", arm)]
        if min(map(len, sets)) < 2:
            raise Missing(f"fairer has no two data sets of {arm} rounded at the end")
        e = fairness.compare_over_sets(*sets)
        gap = {"value": e.difference, "low": e.low, "high": e.high, "n": None}
        switched = {"outcome": "absolute slope", "kind": "slope"}
        found.append(number(f"rounded at the end, {NAMES[arm]}", gap) | switched)
    return found


EFFECTS: dict[str, Callable[[], Rows]] = {
    "weights": weights, "exponent": exponent, "scaling": scaling, "alpha": alpha,
    "attack_in_training": attack_in_training,
}  # fmt: skip
