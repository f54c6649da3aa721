"""Effects computed by hand on small invented records, and the second paper's ledger against the book's pages."""

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fairlib.book import claims, runner
from fairlib.book.experiments import ambiguities_hua, dro_training, fairer, ssim_one_step, table1, trust

ROOT = Path(__file__).resolve().parents[3]
JUDGED = ("LPIPS", "L2", "saliency")
FACTOR = {"perc_al": 5, "pgd": 2, "ppgd": 8, "lpa": 4, "ours_a=0": 3, "ours_a=1": 6, "ours_a=5": 12}
STEPS = {"pgd": [1, 1, 2, 100], "ours_a=0": [1, 1, 1, 1], "ours_a=1": [1, 2, 3, 4], "ours_a=5": [100, 100, 5, 5]}


def write(chapter: str, arguments: dict, result: dict) -> None:
    unit = runner.Unit(chapter, arguments)
    assert unit.name in {u.name for profile in ("embedded", "paper") for u in runner.units(chapter, profile)}
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(json.dumps({"arguments": arguments, "source": "", "provenance": {}, "result": result}))


def shard(what: str, rows: list[dict], budget: str = "embedded", cost: str = table1.SUBSTITUTE) -> None:
    part = table1.SHARDS[budget][what]
    arguments = {"what": what, "budget": budget, "first": part.start, "images": part.step}
    write("table1", arguments, {"cost": cost, "rows": rows})


def attacked(method: str, values: list[float], *, won: list[int] | None = None, **more) -> list[dict]:
    """A row per image, all right before; distances proportional to `values`, turned where `won` says so."""
    won = [1] * len(values) if won is None else won
    return [
        {"image": i, "right": True, "method": method, "success": bool(w)}
        | {"LPIPS": v, "L2": v / 10, "saliency": v**2}
        | {key: column[i] for key, column in more.items()}
        for i, (v, w) in enumerate(zip(values, won, strict=True))
    ]


def defended(method: str) -> dict[str, list]:
    """Right behind the defences: at every setting of image 0, and of image 1 at the mildest; `ours_a=5` nowhere."""
    mild = {name: [int(s == max(of)) for s in of] for name, of in (("jpeg", table1.QUALITIES), ("bits", table1.BITS))}
    found = {}
    for name, first in mild.items():
        rows = [[1] * len(first), first, [0] * len(first), [0] * len(first)]
        if method == "none":
            rows = [[1] * len(first)] * 2 + [[0] * len(first)] * 2
        found[name] = [[0] * len(first)] * 4 if method == "ours_a=5" else rows
    return found


def table(budget: str = "embedded") -> list[dict]:
    """Four images that are right and one that is wrong; PPGD fails on the last and farthest."""
    wrong = {"image": 4, "right": False, "method": "none"}
    rows = [
        row
        for method, factor in FACTOR.items()
        for row in attacked(
            method,
            [factor * v for v in (1, 2, 3, 4)],
            won=[1, 1, 1, method != "ppgd"],
            backwards=STEPS.get(method, [7] * 4),
            **defended(method),
        )
    ]
    clean = [{"image": i, "right": True, "method": "none"} for i in range(4)]
    return [*rows, *(row | {k: v[i] for k, v in defended("none").items()} for i, row in enumerate(clean)), wrong]


def write_table(rows: list[dict]) -> None:
    """The first five images, and one from the other kind of shard, which the classifier gets wrong."""
    shard("table", rows)
    shard("stepping", [{"image": 60, "right": False, "method": "none"}])


def found(measure: str) -> dict[tuple[str, str], float]:
    """(variant, outcome) -> value, after a look at the intervals."""
    rows = ambiguities_hua.effects(measure)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    return {(row["variant"], row["outcome"]): row["value"] for row in rows}


def test_a_factor_is_the_ratio_of_means_over_images_that_both_turn(house):
    default = attacked("pgd", [1, 2, 3, 4])
    switched = attacked("pgd", [2, 2, 5, 400], won=[1, 1, 1, 0])
    rows = [
        ambiguities_hua.times("x", *(pd.DataFrame(t) for t in pair)) for pair in ((switched, default), (default,) * 2)
    ]
    assert {(e["outcome"], e["n"]) for e in rows[0]} == {("LPIPS", 3), ("L2", 3)}
    assert [e["value"] for e in rows[0]] == pytest.approx([9 / 6] * 2)
    # Whichever images are drawn, the ratio lies between the smallest and the largest of one image.
    assert all(1 <= e["low"] < e["value"] < e["high"] <= 2 for e in rows[0])
    assert [(e["value"], e["low"], e["high"]) for e in rows[1]] == [(1, 1, 1)] * 2
    alone = pd.DataFrame(attacked("pgd", [1, 2], won=[1, 0]))
    assert ambiguities_hua.times("x", alone, alone) == []


def test_rounding(house):
    by = {"floor": [1, 2, 3, 4], "round": [1, 1, 1, 1], "straight_through": [2, 4, 6, 8]}
    rows = []
    for quantise, values in by.items():
        for method in table1.STEPPING:
            lost = quantise == "round" and method == "pgd"
            part = attacked(method, values, won=[1, 1, 0, 0] if lost else None, quantise=[quantise] * 4)
            rows += [{k: v for k, v in row.items() if k not in ("LPIPS", "saliency")} for row in part]
    shard("rounding", rows)
    values = found("rounding")
    assert values["straight-through, Alg. 1, a = 5", "L2"] == pytest.approx(2)
    assert values["round, Alg. 1, a = 0", "L2"] == pytest.approx(4 / 10)
    assert values["round, PGD", "L2"] == pytest.approx(2 / 3)
    assert values["round, PGD", "success"] == pytest.approx(-0.5)
    assert values["straight-through, PGD", "success"] == 0
    assert not any(outcome == "LPIPS" for _, outcome in values)


def test_what_the_table_measures(house):
    write_table(table())
    printed = table1.published().loc["pgd"]
    assert found("confidence") == {
        (f"a = {a} over a = 0", c): pytest.approx(FACTOR[f"ours_a={a}"] / 3) for a in (1, 5) for c in ("LPIPS", "L2")
    }
    assert found("beside_paper")["LPIPS of PGD in this book's whole run over the printed one", ""] == pytest.approx(
        5 / printed["LPIPS"]
    )
    assert found("pgd_steps") == {("steps of PGD, mean", ""): 26, ("steps of PGD, most", ""): 100}
    assert [*found("whole_budget").values()] == [0.25, 0, 0, 0.5]
    assert found("judges") == {
        ("saliency in place of LPIPS", "Alg. 1, a = 0, over PGD"): pytest.approx((9 / 4) / (3 / 2))
    }
    assert found("means_over") == {("all over turned, PPGD", c): pytest.approx(2.5 / 2) for c in ("LPIPS", "L2")}
    assert found("denominator") == {
        ("over all images, PGD", "success"): pytest.approx(4 / 5 - 1),
        ("over all images, PPGD", "success"): pytest.approx(3 / 5 - 3 / 4),
    }
    right, fitting = ambiguities_hua.effects("right_ones")
    assert (right["value"], right["n"]) == (pytest.approx(4 / 6), 6)
    assert 500 < fitting["low"] <= fitting["value"] <= fitting["high"] <= 1_000


def test_figure_4(house):
    """Image 1 comes through the mildest setting with PPGD on it; a = 5 turns everything, PPGD all but image 0."""
    write_table(table())
    mild = found("mildest")
    for defence, settings in (("jpeg", table1.QUALITIES), ("bits", table1.BITS)):
        # Leads by image: 1 at every setting; 1 at the mildest, 1/k on average; 0; 0.
        expected = (2 - (1 + 1 / len(settings))) / 4
        assert mild[f"mildest setting, {ambiguities_hua.NAMES[defence]}", "lead of a = 5 over PPGD"] == pytest.approx(
            expected
        )
    assert [*found("unbroken").values()] == [0, 0]  # all of a = 5 succeed, broken or not


def test_what_the_defence_breaks_by_itself(house):
    rows = table()
    for row in rows:
        if row["method"] == "ours_a=5" and row["image"] < 2:  # of the two that come through clean, one withstands
            row |= {name: [1 - row["image"]] * len(row[name]) for name in ("jpeg", "bits")}
    write_table(rows)
    assert [*found("unbroken").values()] == pytest.approx([1 / 2 - 3 / 4] * 2)


def sweep(cost: list[float]) -> list[dict]:
    rows = []
    for method, factor in (("ours_a=0", 3), ("ours_a=5", 12)):
        for lam in table1.LAMBDAS:
            own = factor * (2 if lam == 100 else 1 if lam else 1.5)
            rows += attacked(method, [own * v for v in (1, 2, 3, 4)], lam=[lam] * 4, cost=cost)
    return rows


def test_the_sweep(house):
    write_table(table())
    shard("lambda", sweep([0.001, 0.001, 0.002, 0.002]))
    swept = found("lambda")
    assert {v for v, _ in swept} == {f"lambda = {lam:g}, Alg. 1, a = {a}" for lam in table1.LAMBDAS[2:] for a in (0, 5)}
    assert {k for k, v in swept.items() if v != pytest.approx(1)} == {
        (f"lambda = 100, Alg. 1, a = {a}", c) for a in (0, 5) for c in ("LPIPS", "L2")
    }
    assert swept["lambda = 100, Alg. 1, a = 5", "LPIPS"] == pytest.approx(2)
    assert found("cost")["no cost, Alg. 1, a = 5", "L2"] == pytest.approx(1.5)
    assert found("step")["not normalised over normalised", "LPIPS"] == pytest.approx(4.5 / 2)
    assert found("backbone") == {
        ("AlexNet over VGG, Alg. 1, a = 0", "LPIPS"): pytest.approx(6 / 30),
        ("AlexNet over VGG, Alg. 1, a = 5", "LPIPS"): pytest.approx(6 / 120),
    }


def test_another_cost_says_nothing_about_the_backbone(house):
    shard("lambda", sweep([0.1] * 4), cost="PieAPP")
    with pytest.raises(ambiguities_hua.Missing, match="cost of the records is PieAPP, not LPIPS-Alex"):
        ambiguities_hua.effects("backbone")


def test_the_random_start(house):
    write_table(table())
    without = attacked("ppgd", [1, 1, 1, 1]) + attacked("lpa", [2, 4, 6, 8], won=[1, 0, 1, 1])
    shard("start", without + attacked("noise", [6, 6, 6, 6], won=[0] * 4))
    values = found("random_start")
    assert values["no random start, PPGD", "LPIPS"] == pytest.approx(3 / 48)  # the fourth image fails from the start
    assert values["no random start, PPGD", "success"] == pytest.approx(0.25)
    assert values["no random start, LPA", "L2"] == pytest.approx(16 / 32)
    assert values["the start alone, LPA", "LPIPS"] == pytest.approx(24 / 40)  # though it turns none by itself


def test_the_budget_takes_both_profiles(house):
    write_table(table())
    with pytest.raises(ambiguities_hua.Missing, match="PerC-AL with 100 iterations only"):
        ambiguities_hua.effects("budget")
    shard("table", [row | {"LPIPS": row.get("LPIPS", 0) / 2} for row in table()], budget="paper")
    assert found("budget")["1000 iterations over 100", "LPIPS"] == pytest.approx(1 / 2)


def test_printed_norms():
    """One step of floor on half of the values has L1 = D / 510 and L2 = sqrt(D / 2) / 255."""
    L1, L2 = 592.74, 1.56
    k = 510 * L1 / 268_203
    implied = np.sqrt(268_203 * (k**2 / 4 + k / 4)) / 255
    pgd = next(e for e in ambiguities_hua.effects("norms") if "PGD" in e["variant"])
    ends = [(L2 + d) / implied for d in (0, -0.005, 0.005)]
    assert [pgd["value"], pgd["low"], pgd["high"]] == pytest.approx(ends)
    assert ambiguities_hua.numbers(SimpleNamespace(**pgd)) == "{:.3g} [{:.3g}, {:.3g}]".format(*ends)


@pytest.mark.parametrize("rates", [(0.9575, 0.9978), (0.5,), (0.123,)])
def test_denominators_are_those_of_all_fractions(rates):
    made = {n: {f"{k / n:.4f}" for k in range(n + 1)} for n in range(50, 101)}
    expected = [n for n, shares in made.items() if all(f"{rate:.4f}" in shares for rate in rates)]
    assert ambiguities_hua.denominators(rates, most=100) == expected


def test_digits(house):
    at = ssim_one_step.FIGURE_L2
    for network, base in zip(ssim_one_step.NETWORKS, (300, 500), strict=True):
        rows = [
            {"attack": attack, "L2": L2, "right": base + 10 * i, "n": 1_000}
            for i, (attack, L2) in enumerate(itertools.product(("ssim", "ssim, inside", "pgd"), (at / 2, at, 2 * at)))
        ]
        write("ssim_one_step", {"network": network}, {"rows": rows})
    first, second = ssim_one_step.NETWORKS
    assert [*found("ssim_windows").values()] == pytest.approx([0.03, 0.03])
    lengths, names = found("ssim_length"), ambiguities_hua.NAMES
    assert lengths[f"L2 of {at / 2:g}, {names[first]}", "digits turned"] == pytest.approx(-0.01)
    assert lengths[f"L2 of {2 * at:g}, {names[second]}", "digits turned"] == pytest.approx(0.01)
    assert lengths[f"{names[second]} in place of {names[first]}", "digits turned"] == pytest.approx(0.2)


def test_the_interval_of_unpaired_shares_is_newcombes():
    """His example (1998, table II): 56/70 - 48/80 has 0.0524 to 0.3339 by method 10."""
    a, b = pd.Series({"right": 56, "n": 70}), pd.Series({"right": 48, "n": 80})
    e = ambiguities_hua.unpaired(a, b)
    assert (e["value"], e["low"], e["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_section_4(house, monkeypatch):
    sizes = pd.DataFrame({"rejected": [50, 200], "worlds": [1_000, 1_000]}, index=["gls", "wls"])
    steps = [
        {"scaling": scaling, "alpha": a, "run": i, "accuracy": None if a == 0.1 and not i else 0.8 + shift + i / 100}
        for scaling, a, shift in (
            ("normalised", 0.001, -0.1), ("normalised", 0.01, 0.0), ("normalised", 0.1, 0.05),
            ("sampling only", 0.01, 0.02),
        )
        for i in range(3)
    ]  # fmt: skip
    arms = {"pgd": [[3, 5], [6]], "pgd, rounded at the end": [[8], [10]], "ours": [[2], [4]]}
    arms["ours, rounded at the end"] = arms["ours"]
    monkeypatch.setattr(trust, "sizes", lambda: sizes)
    monkeypatch.setattr(dro_training, "recorded", {"steps": pd.DataFrame(steps)}.get)
    monkeypatch.setattr(fairer, "ALPHA", 0.01)
    monkeypatch.setattr(fairer, "slopes", lambda: arms)
    monkeypatch.setattr(fairer, "by_set", lambda slopes, arm: [np.array(one) for one in slopes[arm]])
    assert found("weights")["weights n in place of sqrt(n)", "rejected fair worlds"] == pytest.approx(0.15)
    assert found("scaling")["P samples only", "accuracy"] == pytest.approx(0.02)
    assert [*found("alpha").values()] == pytest.approx([-0.1, 0.05])  # the run that diverged has no partner
    assert [*found("attack_in_training").values()] == pytest.approx([4, 0])
    arms["ours"] = [[2]]
    with pytest.raises(ambiguities_hua.Missing, match="no two data sets of ours"):
        ambiguities_hua.effects("attack_in_training")
    key = "ttest/size/same_attack"
    with pytest.raises(ambiguities_hua.Missing, match=f"trust has not recorded {key}"):
        ambiguities_hua.effects(f"trust:{key}")
    claims.record("trust", {key: claims.Estimate(0.3, 0.2, 0.5, "same-attack-two-seeds")}, {})
    assert [*found(f"trust:{key}").values()] == [0.3]


def test_without_records_each_row_says_what_is_missing(house):
    """But for the printed norms, which need none."""
    ledger = ambiguities_hua.ledger()
    effects, reasons = ambiguities_hua.measured(ledger)
    assert set(effects["measure"]) == {"norms"}
    by = ledger.set_index("row")
    assert set(reasons) == set(by.index) - set(effects["row"])
    assert {row: reasons[row] for row in reasons if by.why[row]} == {row: why for row, why in by.why.items() if why}
    told = {row: reason for row, reason in reasons.items() if not by.why[row]}
    assert all(reason.startswith("not measured here: ") for reason in told.values())
    assert not any(str(house) in reason for reason in told.values())
    of = {by.measures[row].partition(";")[0]: reason for row, reason in told.items()}
    assert of["rounding"] == "not measured here: the records behind truncation are not complete"
    assert of["weights"].startswith("not measured here: the records behind trust are not complete")


def test_a_measured_row_has_no_reason(house):
    write_table(table())
    ledger = ambiguities_hua.ledger()
    effects, reasons = ambiguities_hua.measured(ledger)
    assert list(effects) == ambiguities_hua.COLUMNS
    by = {measures: row for row, measures in zip(ledger["row"], ledger["measures"], strict=True)}
    assert set(effects["row"]) >= {by["confidence"], by["mildest"], by["means_over"]}
    assert set(effects["row"]).isdisjoint(reasons)
    assert set(effects["row"]) | set(reasons) == set(ledger["row"])


@pytest.mark.parametrize(
    ("kind", "numbers", "told"),
    [
        ("times", (1.5, 1.25, 12.345), "LPIPS × 1.50 [1.25, 12] (a switch; 6 images)"),
        ("times", (0.0284, 0.02, 0.1), "LPIPS × 0.028 [0.02, 0.10] (a switch; 6 images)"),
        ("share", (-0.05, -0.1, -0.001), "LPIPS -0.05 [-0.10, +0.00] (a switch)"),
        ("slope", (-4.52e-05, -0.00574, 0.00564), "LPIPS +0.0000 [-0.0057, +0.0056] (a switch)"),
        ("number", (0.000171, 0.000169, 0.000173), "a switch: 0.000171 [0.000169, 0.000173]"),
        ("number", (100.0, 100.0, 100.0), "a switch: 100"),
    ],
)
def test_effects_in_words(kind, numbers, told):
    value, low, high = numbers
    effect = SimpleNamespace(variant="a switch", outcome="LPIPS", kind=kind, value=value, low=low, high=high, n=6)
    assert ambiguities_hua.text(effect) == told


def test_unknown_measures_are_refused():
    with pytest.raises(ValueError, match="measure is 'dreams', expected one of: beside_paper"):
        ambiguities_hua.effects("dreams")


# --- The ledger. ------------------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """Labels, names of figures, and headings as the site makes ids of them."""
    headings = re.findall(r"^#+ (.+)$", page, re.M)
    slugs = {re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") for heading in headings}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", page, re.M)) | set(re.findall(r"^ +name: ([\w-]+)$", page, re.M))


def pages() -> dict[str, set[str]]:
    return {path.stem: anchors(path.read_text()) for path in (ROOT / "notebooks").glob("*.md")}


def test_every_row_leads_to_a_place_that_exists():
    written, ledger = pages(), ambiguities_hua.ledger()
    assert set(ledger["chapter"]) == set(ambiguities_hua.CHAPTERS)
    assert set(ledger["chapter"]) <= set(claims.CHAPTERS)
    assert set(ledger["chapter"]) >= {"table1", "truncation", "compression", "ssim_one_step", "perceptual_attack"}
    lost = {f"{r.chapter}#{r.anchor}" for r in ledger.itertuples() if r.anchor not in written[r.chapter]}
    assert not lost
    assert "nowhere" not in written["table1"]


def test_links():
    row = SimpleNamespace(chapter="ssim_one_step", anchor="the-rim")
    assert ambiguities_hua.link(row) == '<a href="../notebooks/ssim_one_step.html#the-rim">one-step SSIM</a>'


def test_the_ledger_is_whole():
    ledger = ambiguities_hua.ledger()
    assert ledger["row"].tolist() == list(range(1, len(ledger) + 1))
    assert len(ledger) >= 25
    assert ledger["topic"].is_unique
    assert (ledger[["topic", "place", "text", "open", "here", "chapter", "anchor"]] != "").all(axis=None)
    assert ledger.notna().all(axis=None)
    assert ((ledger["measures"] == "") == (ledger["why"] != "")).all()
    named = [measure for row in ledger["measures"] for measure in row.split(";") if measure]
    assert sorted(named) == sorted([*ambiguities_hua.EFFECTS, *ambiguities_hua.QUANTITIES])


def test_quantities_are_those_of_the_claims():
    asked = {f"{c.chapter}:{c.quantity}" for c in claims.load("hua")}
    assert set(ambiguities_hua.QUANTITIES) <= asked
