"""Counting against a plain loop, intervals against closed formulas, sampling ranges against simulated samples."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fairlib import data, evaluation
from fairlib.attacks import fgsm
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")
GRID = (0.0, 0.1, 0.3)


@pytest.fixture(scope="module")
def defense(model):
    return CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))


def plain(model, x, y, eps, defense) -> list[tuple]:
    """(eps, method, right), one image at a time."""
    rows = []
    for e in eps:
        right = {"defenseless": 0, "defended": 0, "loose": 0}
        for image, label in zip(x.split(1), y.split(1), strict=True):
            x_adv = fgsm(model, image, label, eps=e)
            with torch.no_grad():
                right["defenseless"] += int(model(x_adv).argmax() == label)
            right["defended"] += int(defense.predict(x_adv) == label)
            right["loose"] += int(defense.loose(x_adv, label))
        rows += [(e, method, count) for method, count in right.items()]
    return rows


@pytest.mark.parametrize("batch_size", [1, 37, 60])
def test_under_attack_counts_what_a_plain_loop_counts(model, defense, digits, batch_size):
    x, y = (part[:60] for part in digits)
    found = evaluation.under_attack(model, x, y, eps=GRID, defense=defense, batch_size=batch_size)
    assert list(found[["eps", "method", "right"]].itertuples(index=False, name=None)) == plain(
        model, x, y, GRID, defense
    )
    assert (found["n"] == 60).all()
    assert (found["accuracy"] == found["right"] / 60).all()


def test_without_a_defence_there_is_one_row_per_budget(model, digits):
    x, y = digits
    found = evaluation.under_attack(model, x, y, eps=GRID)
    assert list(found["eps"]) == list(GRID)
    assert set(found["method"]) == {"defenseless"}
    with torch.no_grad():
        assert found["right"][0] == (model(x).argmax(1) == y).sum().item()


def test_another_attack_is_run_on_each_batch_with_the_whole_grid(model, digits):
    calls = []

    def blank(model, x, y, *, eps):
        calls.append((len(x), tuple(eps)))
        return (torch.zeros_like(x) for _ in eps)

    x, y = digits
    found = evaluation.under_attack(model, x, y, eps=GRID, attack=blank, batch_size=150)
    assert calls == [(150, GRID), (50, GRID)]
    with torch.no_grad():
        always = model(torch.zeros(1, 1, 28, 28)).argmax()
    assert set(found["right"]) == {(y == always).sum().item()}


def test_an_attack_that_skips_a_budget_is_found(model, digits):
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        evaluation.under_attack(model, *digits, eps=GRID, attack=lambda model, x, y, *, eps: [x])


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"eps": []}, "0 budgets and 200 images, expected at least one of each"),
        ({"n": 0}, "1 budgets and 0 images, expected at least one of each"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number of 1 or more"),
    ],
)
def test_nothing_to_evaluate_is_refused(model, digits, wrong, mend):
    options = {"eps": [0.1]} | wrong
    n = options.pop("n", 200)
    with pytest.raises(ValueError, match=mend):
        evaluation.under_attack(model, *(part[:n] for part in digits), **options)


def test_the_released_grids():
    fully_connected, lenet = (evaluation.RELEASED_EPS[name] for name in ("FullyConnected", "LeNet5"))
    assert [round(e * 255, 6) for e in fully_connected] == [1, *range(5, 126, 5)]
    assert [round(e * 255, 6) for e in lenet] == list(range(0, 125, 4))
    assert 0.5 not in {*fully_connected, *lenet}
    assert list(evaluation.TABLE_EPS) == sorted(data.table("pepe_tables")["eps"].unique())


def test_wilson_interval():
    counts = pd.DataFrame({"right": [0, 1, 75, 149, 150, 9999], "n": [150] * 5 + [10_000]})
    found = evaluation.with_interval(counts)
    z = stats.norm.ppf(0.975)
    for row in found.itertuples():
        p, n = row.right / row.n, row.n
        centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert row.accuracy == p
        assert (row.low, row.high) == pytest.approx(
            ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
        )
    assert list(counts.columns) == ["right", "n"], "the caller's table was changed"


def test_draw():
    x, y = torch.arange(50.0).view(-1, 1, 1, 1), torch.arange(50) % 10
    one, labels = evaluation.draw(x, y, 20, seed=0)
    numbers = one.flatten().long()
    assert len(set(numbers.tolist())) == 20
    assert torch.equal(labels, numbers % 10)
    assert torch.equal(one, evaluation.draw(x, y, 20, seed=0)[0])
    assert not torch.equal(one, evaluation.draw(x, y, 20, seed=1)[0])
    assert sorted(evaluation.draw(x, y, 50, seed=0)[0].flatten().tolist()) == list(range(50))


def test_draw_reaches_every_image_equally_often():
    x, y = torch.arange(10.0).view(-1, 1, 1, 1), torch.arange(10)
    drawn = torch.cat([evaluation.draw(x, y, 3, seed=seed)[1] for seed in range(1000)])
    assert stats.chisquare(drawn.bincount(minlength=10)).pvalue > 0.001


@pytest.mark.parametrize("n", [0, -1, 51])
def test_an_impossible_draw_is_refused(n):
    with pytest.raises(ValueError, match=f"n is {n}, expected a whole number from 1 to 50"):
        evaluation.draw(torch.zeros(50, 1, 1, 1), torch.zeros(50, dtype=torch.int64), n, seed=0)


@pytest.mark.parametrize("n", [150, 200])
@pytest.mark.parametrize("accuracy", [0.0, 0.02, 0.3, 0.53, 0.95, 1.0])
def test_sampling_range_covers_what_is_sampled(accuracy, n):
    """At least 95 % of simulated evaluations are printed inside it, and at most 2.5 % fall out at either end."""
    printed = np.round(np.random.default_rng(0).binomial(n, accuracy, 20_000) / n, 2)
    low, high = evaluation.sampling_range(accuracy, n)
    assert (printed < low).mean() < 0.028 and (printed > high).mean() < 0.028
    inside = (printed > low) & (printed < high)
    assert inside.mean() < 0.95, "a narrower range would do"


def test_sampling_range_by_hand():
    """Binomial(2, 1/2) is 0, 1 or 2 with probabilities 1/4, 1/2, 1/4."""
    assert evaluation.sampling_range(0.5, 2, level=0.95) == (0.0, 1.0)
    assert evaluation.sampling_range(0.5, 2, level=0.4) == (0.5, 0.5)
    low, high = evaluation.sampling_range(1 / 3, 10**6, decimals=4)
    assert (low, high) == (round(low, 4), round(high, 4)) == pytest.approx((1 / 3 - 0.00092, 1 / 3 + 0.00092), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ((1.1, 150), r"accuracy is 1\.1, expected a number in \[0, 1\]"),
        ((53, 150), r"accuracy is 53, expected a number in \[0, 1\]"),
        ((math.nan, 150), r"accuracy is nan, expected a number in \[0, 1\]"),
        ((0.5, 0), "n is 0, expected a whole number of 1 or more"),
    ],
)
def test_an_impossible_sample_is_refused(arguments, mend):
    with pytest.raises(ValueError, match=mend):
        evaluation.sampling_range(*arguments)


def test_explained_is_the_sampling_range_ends_included():
    low, high = evaluation.sampling_range(0.5, 150)
    inside = [evaluation.explained(value, 0.5, 150) for value in (low - 0.01, low, 0.5, high, high + 0.01)]
    assert inside == [False, True, True, True, False]


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ours (100 of 1,000, 900 of 1,000, ...) and a published table, one value of which sampling can't explain."""
    keys = list(itertools.product((0.0, 0.1), ("defenseless", "defended")))
    ours = pd.DataFrame(keys, columns=["eps", "method"]).assign(right=[900, 500, 100, 400], n=1000)
    paper = pd.DataFrame(keys, columns=["eps", "method"]).assign(accuracy=[0.9, 0.2, 0.12, 0.39], n=150)
    return evaluation.with_interval(ours), paper


def test_beside_published_marks_what_sampling_does_not_explain():
    ours, paper = tables()
    page = evaluation.beside_published(ours, paper)
    assert list(page.index) == ["0.0", "0.1"]
    assert list(page["defenseless", "ours"]) == ["0.90 [0.88, 0.92]", "0.10 [0.08, 0.12]"]
    assert list(page["defenseless", "paper"]) == ["0.90", "0.12"]
    assert list(page["defended", "paper"]) == ["0.20 †", "0.39"]


def test_a_published_row_without_a_counterpart_is_refused():
    ours, paper = tables()
    with pytest.raises(ValueError, match="2 published rows have no measured counterpart; use eps=TABLE_EPS"):
        evaluation.beside_published(ours[ours["eps"] == 0.1], paper)


def test_gain_is_newcombes_interval():
    """Newcombe 1998, method 10, from the two Wilson intervals."""
    rows = evaluation.with_interval(
        pd.DataFrame({"method": ["defended", "defenseless"], "right": [56, 48], "n": [70, 80]})
    )
    p, low, high = (rows[name].to_numpy() for name in ("accuracy", "low", "high"))
    down = math.hypot(p[0] - low[0], high[1] - p[1])
    up = math.hypot(high[0] - p[0], p[1] - low[1])
    assert evaluation.gain(rows) == pytest.approx((p[0] - p[1] - down, p[0] - p[1] + up))
    assert evaluation.gain(rows) == pytest.approx((0.0524, 0.3339), abs=5e-5), "as printed in that paper's table II"
    assert evaluation.gain(rows[::-1]) == evaluation.gain(rows), "the order of the rows does not matter"


def test_prediction_range_covers_the_next_training():
    """Simulated: trainings whose true accuracy scatters, each measured on n images."""
    generator = np.random.default_rng(1)
    n, inside = 400, 0
    for _ in range(2000):
        *seen, following = generator.normal(0.6, 0.03, 6)
        low, high = evaluation.prediction_range(seen, n)
        inside += low <= generator.binomial(n, following) / n <= high
    assert 0.94 < inside / 2000 < 0.99


def test_prediction_range_by_hand():
    """Mean 1/2, variance 0.02, two trainings: 1/2 +- hypot(t(1) sqrt(0.02 * 3/2), z sqrt(1/4 / n)), cut to [0, 1]."""
    half = math.hypot(stats.t.ppf(0.6, 1) * math.sqrt(0.03), stats.norm.ppf(0.6) * math.sqrt(0.25 / 100))
    assert evaluation.prediction_range([0.4, 0.6], 100, level=0.2) == pytest.approx((0.5 - half, 0.5 + half))
    assert evaluation.prediction_range([0.4, 0.6], 100) == (0, 1)


@pytest.mark.parametrize(("accuracies", "n"), [([0.5], 100), ([], 100), ([[0.5, 0.6]], 100), ([0.5, 0.6], 0)])
def test_too_little_to_predict_from_is_refused(accuracies, n):
    with pytest.raises(ValueError, match=r"expected 2 or more numbers along 1 axis|n is 0, expected a whole number"):
        evaluation.prediction_range(accuracies, n)


@pytest.mark.parametrize(
    ("curve", "options", "expected"),
    [
        ([1 - 2 * eps for eps in evaluation.LEDGER_EPS], {}, 0.45),
        ([1 - 2 * eps for eps in evaluation.LEDGER_EPS], {"chance": 0.33}, 0.335),  # between two budgets
        ([0.8, 0.05, *[0.5] * 9], {}, 0.05 * 0.7 / 0.75),  # the first time counts
        ([0.05] * 11, {}, 0.0),  # from the start
        ([0.1] * 11, {}, 0.5),  # chance itself is not below it
        ([0.9] * 10 + [0.0], {}, 0.45 + 0.05 * 0.8 / 0.9),  # at the last budget
    ],
)
def test_where_a_curve_falls_below_chance(curve, options, expected):
    assert evaluation.below_chance_at(curve, **options) == pytest.approx(expected, abs=1e-12)


def test_paired_is_bonett_and_prices_interval():
    """Their formula, worked by hand for 30 gained and 10 lost of 98 images; agreement everywhere; a whole gain."""
    up, down = 31 / 100, 11 / 100
    half = 1.959964 * math.sqrt((up + down - 0.2**2) / 100)
    assert evaluation.paired(30, 10, 98) == pytest.approx((20 / 98, 0.2 - half, 0.2 + half), abs=1e-6)
    value, low, high = evaluation.paired(0, 0, 1000)
    assert value == 0
    assert low == pytest.approx(-high)
    assert evaluation.paired(50, 0, 50)[2] == 1
    assert [-v for v in evaluation.paired(10, 30, 98)] == pytest.approx(
        [evaluation.paired(30, 10, 98)[i] for i in (0, 2, 1)]
    )


def test_paired_covers_the_difference():
    """Images of which 20 % flip one way and 12 % the other: the interval holds 0.08 in 95 % of the samples."""
    flips = np.random.default_rng(0).multinomial(200, [0.20, 0.12, 0.68], size=2000)
    found = [evaluation.paired(gained, lost, 200) for gained, lost, _ in flips.tolist()]
    assert np.mean([low <= 0.08 <= high for _, low, high in found]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([high - low for _, low, high in found]) == pytest.approx(
        2 * 1.96 * math.sqrt((0.32 - 0.08**2) / 200), rel=0.05
    )


@pytest.mark.parametrize("counts", [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_impossible_pairs_are_refused(counts):
    with pytest.raises(ValueError, match=r"expected (counts of some of n >= 1 images|a whole number of [01] or more)"):
        evaluation.paired(*counts)
