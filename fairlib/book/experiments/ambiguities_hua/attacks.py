"""What choices change about the attacks on photographs, and their judges. Second paper, section 3."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from fairlib import bootstrap, photographs
from fairlib.book import claims, runner
from fairlib.book.experiments import classifiers, compression, shared, table1, truncation
from fairlib.book.experiments.ambiguities_hua.kinds import (
    NAMES,
    OUTCOMES,
    Missing,
    Rows,
    method,
    number,
    share,
    success,
    times,
)

IMAGE_SET, STEPS = 1_000, 100  # of the paper: photographs, and iterations of Algorithm 1 and PGD


def beside_paper() -> Rows:
    """Our PGD over the printed one: classifier, weights and images at once, and no cost that could differ."""
    own, printed = table1.attacked_rows().query("method == 'pgd' and success"), table1.published().loc["pgd"]
    found = {c: bootstrap.mean(own[c] / printed[c]) for c in OUTCOMES}
    return [number(f"{c} of PGD in this book's whole run over the printed one", f) for c, f in found.items()]


def other_classifiers() -> Rows:
    """PGD and Algorithm 1 on two other classifiers over this book's, on the photographs that are turned on both."""
    others = classifiers.recorded("stepping")
    here = others.pop(table1.CLASSIFIER)
    return [
        effect for name, rows in others.items() for m in ("pgd", "ours_a=0")
        for effect in times(
            f"{name.removeprefix('EfficientNet-')} in place of Lite0, {NAMES[m]}", method(rows, m), method(here, m)
        )
    ]  # fmt: skip


def lead() -> Rows:
    """PerC-AL with the lead of 40 that its authors' code has, over PerC-AL without one, as many iterations."""
    rows = table1.tried(runner.results("steps_and_leads").dropna(subset=["method"]))
    with_, without = method(rows, "lead=40"), method(rows, "lead=0")
    return times("a lead of 40 over none, PerC-AL", with_, without) + success("a lead of 40, PerC-AL", with_, without)


def right_ones() -> Rows:
    """The share of the images here that the classifier gets right, and the numbers of them that would fit table 1."""
    rows = pd.concat([table1.recorded(what)[["image", "right"]] for what in ("table", "stepping") if _has(what)])
    here = photographs.success_rate(rows.drop_duplicates("image")["right"].astype(bool))
    fitting = denominators([table1.published()["success"][m] for m in ("ppgd", "lpa")])
    listed, counted = ", ".join(map(str, fitting)), shared.exact(len(fitting)) | {"n": None}
    return [
        number("share that the classifier here gets right", here),
        number(f"counts of right ones of {IMAGE_SET:,} that fit both rates below 100 % ({listed})", counted),
    ]


def denominators(rates: Sequence[float], most: int = IMAGE_SET, decimals: int = 4) -> list[int]:
    """The numbers of images from half of `most` on, of which some whole number makes each of these printed rates."""
    half = 0.5 * 10.0**-decimals + claims.TINY
    return [n for n in range(most // 2, most + 1) if all(abs(round(rate * n) / n - rate) <= half for rate in rates)]


def _has(what: str) -> bool:
    return what in set(runner.results("table1")["what"])


def step() -> Rows:
    """Algorithm 1 without a cost over PGD: the same loop, but for the norm of the gradient."""
    sweep = table1.tried(table1.recorded("lambda")).query("method == 'ours_a=0' and lam == 0")
    return times("not normalised over normalised", sweep, method(table1.attacked_rows(), "pgd"))


def rounding() -> Rows:
    """The other two roundings over `floor`, and what they do to success."""
    rows, found = table1.tried(table1.recorded("rounding")), []
    for name in ("pgd", "ours_a=0", "ours_a=5"):
        by = {quantise: own for quantise, own in method(rows, name).groupby("quantise")}
        for quantise in ("round", "straight_through"):
            variant = f"{quantise.replace('_', '-')}, {NAMES[name]}"
            found += times(variant, by[quantise], by["floor"])
            found += success(variant, by[quantise], by["floor"])
    return found


def norms() -> Rows:
    """The printed L2 over that which the printed L1 implies: sums over pixels in [0, 1], rounded down.

    The ends are what two printed decimals leave open; there is no sample.
    """
    printed = table1.published().loc[list(table1.STEPPING)]
    implied = truncation.walk(printed["L1"].to_numpy())["L2"]
    found = []
    for name, L2, walked in zip(printed.index, printed["L2"], implied, strict=True):
        ends = {key: (L2 + d) / walked for key, d in (("value", 0), ("low", -0.005), ("high", 0.005))}
        variant = f"printed L2 over that which the printed L1 implies, {NAMES[name]} (ends: rounding of the print)"
        found.append(number(variant, ends | {"n": None}))
    return found


def whole_budget() -> Rows:
    """The share of images on which an attack takes all its hundred steps, so that nothing looks after the last."""
    rows = table1.attacked_rows()
    found = {name: method(rows, name)["backwards"] >= STEPS for name in table1.STEPPING}
    told = "share of images that take all steps"
    return [number(f"{told}, {NAMES[m]}", photographs.success_rate(used)) for m, used in found.items()]


def confidence() -> Rows:
    """Algorithm 1 with a = 1 and a = 5 over a = 0."""
    rows = table1.attacked_rows()
    default = method(rows, "ours_a=0")
    return [e for a in (1, 5) for e in times(f"a = {a} over a = 0", method(rows, f"ours_a={a}"), default)]


def lam() -> Rows:
    """Each lambda of the sweep over lambda = 1."""
    rows, found = table1.tried(table1.recorded("lambda")), []
    for name in ("ours_a=0", "ours_a=5"):
        own = method(rows, name)
        for value in table1.LAMBDAS:
            if value > 1:
                found += times(f"lambda = {value:g}, {NAMES[name]}", own[own["lam"] == value], own[own["lam"] == 1])
    return found


def cost() -> Rows:
    """Algorithm 1 without its cost over that with it, at lambda = 1."""
    rows = table1.tried(table1.recorded("lambda"))
    by = {name: method(rows, name) for name in ("ours_a=0", "ours_a=5")}
    return [
        e for m, own in by.items() for e in times(f"no cost, {NAMES[m]}", own[own["lam"] == 0], own[own["lam"] == 1])
    ]  # fmt: skip


def pgd_steps() -> Rows:
    """How many steps PGD takes: with so many, a ball that is no smaller than they are long would never be left."""
    steps = method(table1.attacked_rows(), "pgd")["backwards"]
    longest = shared.exact(float(steps.max())) | {"n": len(steps)}
    return [number("steps of PGD, mean", bootstrap.mean(steps)), number("steps of PGD, most", longest)]


def budget() -> Rows:
    """PerC-AL with its authors' iterations over the few of the embedded profile, on the same images."""
    rows = table1.tried(runner.results("table1").query("what == 'table' and method == 'perc_al'"))
    by = {name: own for name, own in rows.groupby("budget")}
    few, many = table1.PERC_AL_N["embedded"], table1.PERC_AL_N["paper"]
    if len(by) < 2:
        raise Missing(
            f"the records hold PerC-AL with {' and '.join(str(table1.PERC_AL_N[b]) for b in by)} iterations only"
        )
    return times(f"{many} iterations over {few}", by["paper"], by["embedded"])


def random_start() -> Rows:
    """PPGD and LPA from the image itself, and the random start alone, over the two from their random start."""
    without, rows, found = table1.tried(table1.recorded("start")), table1.attacked_rows(), []
    noise = method(without, "noise").assign(success=True)
    for name in ("ppgd", "lpa"):
        default = method(rows, name)
        found += times(f"no random start, {NAMES[name]}", method(without, name), default)
        found += times(f"the start alone, {NAMES[name]}", noise, default)
        found += success(f"no random start, {NAMES[name]}", method(without, name), default)
    return found


def own_settings() -> Rows:
    """PPGD and LPA with their authors' distance, bound and margin over those of the records, from the same start."""
    rows = table1.own_settings()
    return [
        e for m in ("ppgd", "lpa")
        for e in times(f"their authors' settings, {NAMES[m]}", method(rows, f"{m}, noise"), method(rows, m))
    ]  # fmt: skip


def backbone() -> Rows:
    """LPIPS on AlexNet over LPIPS on VGG, of the same attacked images; needs records whose cost is the former."""
    if table1.cost_name() != table1.SUBSTITUTE:
        raise Missing(f"the cost of the records is {table1.cost_name()}, not {table1.SUBSTITUTE}")
    rows = table1.tried(table1.recorded("lambda")).query("lam == 1")
    alex = rows.assign(LPIPS=table1.SCALE["LPIPS"] * rows["cost"])
    return [
        e for m in ("ours_a=0", "ours_a=5")
        for e in times(f"AlexNet over VGG, {NAMES[m]}", method(alex, m), method(rows, m), ["LPIPS"])
    ]  # fmt: skip


def judges() -> Rows:
    """Algorithm 1 over PGD as the saliency model sees the two, over what LPIPS sees."""
    rows = table1.attacked_rows()
    seen = [table1.by_method(rows, judge)[["ours_a=0", "pgd"]].dropna().to_numpy().T for judge in ("saliency", "LPIPS")]
    f = bootstrap.interval(_ratios, *seen[0], *seen[1])
    outcome = f"ratio of {NAMES['ours_a=0']}, to {NAMES['pgd']}"
    return [number("by saliency over by LPIPS, a ratio of ratios", f) | {"outcome": outcome, "kind": "times"}]


def _ratios(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, axis: int) -> np.ndarray:
    return a.mean(axis) / b.mean(axis) / (c.mean(axis) / d.mean(axis))


def means_over() -> Rows:
    """The mean over all attacked images over that of those turned, for the methods that fail on some."""
    rows, found = table1.attacked_rows(), []
    for name in table1.METHODS:
        own = method(rows, name)
        if own["success"].all() or own["success"].sum() < 2:
            continue
        for c in OUTCOMES:
            f = bootstrap.interval(_all_over_turned, own[c], own["success"])
            found.append(number(f"all over turned, {NAMES[name]}", f) | {"outcome": c, "kind": "times"})
    if not found:
        raise Missing("every method turns every image of the records, and the two means are one")
    return found


def _all_over_turned(values: np.ndarray, turned: np.ndarray, axis: int) -> np.ndarray:
    return values.mean(axis) / (values * turned).mean(axis) * turned.mean(axis)


def denominator() -> Rows:
    """The success rate over all images, those that were wrong before among the failures, minus that over right ones."""
    rows, found = table1.recorded("table"), []
    everything = rows.groupby("image")["right"].first().astype(bool)
    for name in ("pgd", "ppgd"):
        hit = method(table1.tried(rows), name).set_index("image")["success"].reindex(everything.index, fill_value=False)
        found.append(
            share(f"over all images, {NAMES[name]}", "success", bootstrap.interval(_over_all, hit, everything))
        )
    return found


def _over_all(hit: np.ndarray, right: np.ndarray, axis: int) -> np.ndarray:
    return hit.mean(axis) - hit.mean(axis) / right.mean(axis)


def mildest() -> Rows:
    """The lead of a = 5 over PPGD at the mildest setting of figure 4 minus that averaged over all."""
    found, outcomes = [], compression.recorded()
    for defence, settings in compression.SETTINGS.items():
        mild = outcomes[outcomes["setting"] == max(settings)]
        ends = [compression.averaged(of, defence) for of in (mild, outcomes)]
        gap = [table["ours_a=5"] - table["ppgd"] for table in ends]
        change = bootstrap.difference(*gap)
        found.append(share(f"mildest setting, {NAMES[defence]}", "change of the lead of a = 5 over PPGD", change))
    return found


def unbroken() -> Rows:
    """Success behind a defence over the settings at which the clean image comes through, minus that over all."""
    found, outcomes = [], compression.recorded()
    for defence in compression.SETTINGS:
        of = outcomes[outcomes["defence"] == defence]
        through = ~method(of, compression.CLEAN).set_index(["image", "setting"])["success"]
        own = method(of, "ours_a=5").set_index(["image", "setting"])["success"]
        both = pd.DataFrame({"hit": own, "through": through, "both": own & through}).groupby("image").mean()
        f = bootstrap.interval(_given, both["both"], both["through"], both["hit"])
        found.append(share(f"without what {NAMES[defence]} breaks by itself", "success of a = 5", f))
    return found


def _given(both: np.ndarray, through: np.ndarray, hit: np.ndarray, axis: int) -> np.ndarray:
    return both.mean(axis) / through.mean(axis) - hit.mean(axis)


EFFECTS: dict[str, Callable[[], Rows]] = {
    "beside_paper": beside_paper, "other_classifiers": other_classifiers, "lead": lead,
    "right_ones": right_ones, "step": step, "rounding": rounding, "norms": norms,
    "whole_budget": whole_budget, "confidence": confidence, "lambda": lam, "cost": cost, "pgd_steps": pgd_steps,
    "budget": budget, "random_start": random_start, "own_settings": own_settings, "backbone": backbone,
    "judges": judges, "means_over": means_over,
    "denominator": denominator, "mildest": mildest, "unbroken": unbroken,
}  # fmt: skip
