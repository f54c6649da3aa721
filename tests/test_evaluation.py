"""Counting against a plain loop, and what is set beside the published tables."""

import itertools

import pandas as pd
import pytest
import torch
from scipy import stats

from fairlib import data, evaluation, intervals
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


def test_an_attack_of_one_budget_is_told_how_to_take_several(model, digits):
    with pytest.raises(ValueError, match=r"returned one tensor, expected one for each budget; take attacks.fgsm_grid"):
        evaluation.under_attack(model, *digits, eps=GRID, attack=lambda model, x, y, *, eps: x)


def test_one_budget_is_told_to_go_into_a_list(model, digits):
    with pytest.raises(ValueError, match=r"eps is 0.1, expected several; put a single one into a list"):
        evaluation.under_attack(model, *digits, eps=0.1)


def test_any_network_of_logits_will_do(digits):
    """No `LayeredModel`: a plain network whose answers favour class 3 by a lot."""
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 784, 10)  # draws nothing
    network = torch.nn.Sequential(torch.nn.Flatten(), layer).eval()
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].weight[3] = 1e-3
        network[1].bias.copy_(torch.eye(10)[3] * 50)
    found = evaluation.under_attack(network, *digits, eps=[0.1])
    assert found["right"].tolist() == [int((digits[1] == 3).sum())]


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


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ours (100 of 1,000, 900 of 1,000, ...) and a published table."""
    keys = list(itertools.product((0.0, 0.1), ("defenseless", "defended")))
    ours = pd.DataFrame(keys, columns=["eps", "method"]).assign(right=[900, 500, 100, 400], n=1000)
    paper = pd.DataFrame(keys, columns=["eps", "method"]).assign(accuracy=[0.9, 0.2, 0.12, 0.39], n=150)
    return intervals.with_interval(ours), paper


def test_beside_published_has_both_values_and_no_verdict():
    ours, paper = tables()
    page = evaluation.beside_published(ours, paper)
    assert list(page.index) == ["0.0", "0.1"]
    assert list(page["defenseless", "ours"]) == ["0.90 [0.88, 0.92]", "0.10 [0.08, 0.12]"]
    assert list(page["defenseless", "paper"]) == ["0.90", "0.12"]
    assert list(page["defended", "paper"]) == ["0.20", "0.39"]


def test_a_published_row_without_a_counterpart_is_refused():
    ours, paper = tables()
    with pytest.raises(ValueError, match="2 published rows have no measured counterpart; use eps=TABLE_EPS"):
        evaluation.beside_published(ours[ours["eps"] == 0.1], paper)


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
