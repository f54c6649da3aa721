"""Effects on attacks and judges, by hand on small invented records."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from book.experiments.ambiguities_hua.hand_made import FACTOR, attacked, found, table, write_table
from book.experiments.hand_made import write, write_shard

from fairlib.book.experiments import ssim_one_step, table1
from fairlib.book.experiments.ambiguities_hua import denominators, numbers
from fairlib.book.experiments.ambiguities_hua.choices import effects
from fairlib.book.experiments.ambiguities_hua.kinds import NAMES, Missing


def test_rounding(house):
    by = {"floor": [1, 2, 3, 4], "round": [1, 1, 1, 1], "straight_through": [2, 4, 6, 8]}
    rows = []
    for quantise, values in by.items():
        for method in table1.STEPPING:
            lost = quantise == "round" and method == "pgd"
            part = attacked(method, values, won=[1, 1, 0, 0] if lost else None, quantise=[quantise] * 4)
            rows += [{k: v for k, v in row.items() if k not in ("LPIPS", "saliency")} for row in part]
    write_shard("rounding", rows)
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
    ratio = "by saliency over by LPIPS, a ratio of ratios", "ratio of Alg. 1, a = 0, to PGD"
    assert found("judges") == {ratio: pytest.approx((9 / 4) / (3 / 2))}
    assert found("means_over") == {("all over turned, PPGD", c): pytest.approx(2.5 / 2) for c in ("LPIPS", "L2")}
    assert found("denominator") == {
        ("over all images, PGD", "success"): pytest.approx(4 / 5 - 1),
        ("over all images, PPGD", "success"): pytest.approx(3 / 5 - 3 / 4),
    }
    right, fitting = effects("right_ones")
    assert (right["value"], right["n"]) == (pytest.approx(4 / 6), 6)
    counts = denominators([table1.published()["success"][m] for m in ("ppgd", "lpa")])
    assert fitting["low"] == fitting["value"] == fitting["high"] == len(counts)
    assert f"({', '.join(map(str, counts))})" in fitting["variant"]


def test_figure_4(house):
    """Image 1 comes through the mildest setting with PPGD on it; a = 5 turns everything, PPGD all but image 0."""
    write_table(table())
    mild = found("mildest")
    for defence, settings in (("jpeg", table1.QUALITIES), ("bits", table1.BITS)):
        # Leads by image: 1 at every setting; 1 at the mildest, 1/k on average; 0; 0.
        expected = (2 - (1 + 1 / len(settings))) / 4
        assert mild[f"mildest setting, {NAMES[defence]}", "change of the lead of a = 5 over PPGD"] == pytest.approx(
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
    write_shard("lambda", sweep([0.001, 0.001, 0.002, 0.002]))
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
    write_shard("lambda", sweep([0.1] * 4), cost="PieAPP")
    with pytest.raises(Missing, match="cost of the records is PieAPP, not LPIPS-Alex"):
        effects("backbone")


def test_the_random_start(house):
    write_table(table())
    without = attacked("ppgd", [1, 1, 1, 1]) + attacked("lpa", [2, 4, 6, 8], won=[1, 0, 1, 1])
    write_shard("start", without + attacked("noise", [6, 6, 6, 6], won=[0] * 4))
    values = found("random_start")
    assert values["no random start, PPGD", "LPIPS"] == pytest.approx(3 / 48)  # the fourth image fails from the start
    assert values["no random start, PPGD", "success"] == pytest.approx(0.25)
    assert values["no random start, LPA", "L2"] == pytest.approx(16 / 32)
    assert values["the start alone, LPA", "LPIPS"] == pytest.approx(24 / 40)  # though it turns none by itself


def test_the_budget_takes_both_profiles(house):
    write_table(table())
    with pytest.raises(Missing, match="PerC-AL with 100 iterations only"):
        effects("budget")
    write_shard("table", [row | {"LPIPS": row.get("LPIPS", 0) / 2} for row in table()], budget="paper")
    assert found("budget")["1000 iterations over 100", "LPIPS"] == pytest.approx(1 / 2)


def test_printed_norms():
    """One step of floor on half of the values has L1 = D / 510 and L2 = sqrt(D / 2) / 255."""
    L1, L2 = 592.74, 1.56
    k = 510 * L1 / 268_203
    implied = np.sqrt(268_203 * (k**2 / 4 + k / 4)) / 255
    pgd = next(e for e in effects("norms") if "PGD" in e["variant"])
    ends = [(L2 + d) / implied for d in (0, -0.005, 0.005)]
    assert [pgd["value"], pgd["low"], pgd["high"]] == pytest.approx(ends)
    assert numbers(SimpleNamespace(**pgd)) == "{:.3g} [{:.3g}, {:.3g}]".format(*ends)


@pytest.mark.parametrize("rates", [(0.9575, 0.9978), (0.5,), (0.123,)])
def test_denominators_are_those_of_all_fractions(rates):
    made = {n: {f"{k / n:.4f}" for k in range(n + 1)} for n in range(50, 101)}
    expected = [n for n, shares in made.items() if all(f"{rate:.4f}" in shares for rate in rates)]
    assert denominators(rates, most=100) == expected


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
    lengths, names = found("ssim_length"), NAMES
    assert lengths[f"L2 of {at / 2:g}, {names[first]}", "digits turned"] == pytest.approx(-0.01)
    assert lengths[f"L2 of {2 * at:g}, {names[second]}", "digits turned"] == pytest.approx(0.01)
    assert lengths[f"{names[second]} in place of {names[first]}", "digits turned"] == pytest.approx(0.2)
