"""The ablations: each variant is what the paper describes, counts are right, the ledger gets what it asks for."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from book.experiments.hand_made import readings_rows
from scipy import stats

from fairlib import data, ensemble, evaluation, intervals, runtime, training
from fairlib.book import claims, runner
from fairlib.book.experiments import ablations
from fairlib.book.experiments.shared import setting

SETS = ("first", "a", "b", "c", "d")


@pytest.fixture(scope="module")
def sets() -> torch.Tensor:
    return torch.stack([data.centroids("MNIST", name) for name in SETS])


@pytest.fixture
def made(model, sets):
    return ablations.variants(model, data.alphas("MNIST"), sets)


def test_every_variant_that_the_ledger_asks_for_is_made(made):
    asked = [q for q in claims.asked("ablations") if not q.startswith("alphas/") and "/nearest/" not in q]
    keys = [q.split("/", 2)[2] for q in asked]
    assert keys
    for key in keys:
        assert any(key.startswith(f"{variant}/") for variant in made), key


def test_thresholds(made):
    alpha = [0.3, 0.4, 0.35, 0.3, 0.35, 0.3, 0.3, 0.4, 0.3, 0.3]  # Appendix A
    shifted = {"plain": 0, "alpha=+0.1": 0.1, "alpha=-0.1": -0.1}
    for variant, shift in shifted.items():
        assert made[variant].alpha.tolist() == pytest.approx([a + shift for a in alpha])
    assert made["alpha=0.3"].alpha.tolist() == pytest.approx([0.3] * 10)


def test_weights_count_layers_from_one(made, model):
    n = len(model.released_taps)
    assert made["weights=early"].weights.tolist() == pytest.approx([math.e**-i for i in range(1, n + 1)])
    assert made["weights=late"].weights.tolist() == pytest.approx([math.e**i for i in range(1, n + 1)])
    assert made["weights=early/rounded"].weights.tolist() == pytest.approx([0.4, 0.1] + [0] * (n - 2))
    assert made["weights=late/rounded"].weights[:3].tolist() == pytest.approx([2.7, 7.4, 20.1])


def test_sets(made):
    readings = {"sets=2": "sum", "sets=5/any": "any", "sets=2/released": "released", "sets=5": "sum"}
    for variant, reading in readings.items():
        assert (made[variant].sets, made[variant].n_sets) == (reading, int(variant[5]))


def test_only_one_thing_is_changed(made, digits):
    """Where the change is taken back, the distances are those of the plain defence."""
    plain = made["plain"].distances(digits[0])
    for variant, defense in made.items():
        assert torch.allclose(defense.distances(digits[0])[:, :, :1], plain, atol=1e-6), variant
        if not variant.startswith("alpha"):
            assert torch.equal(defense.alpha, made["plain"].alpha)
        if not variant.startswith("weights"):
            assert defense.weights.tolist() == [1] * len(defense.taps)


def test_random_sets():
    x, y = data.load("MNIST", "train")
    found = ablations.random_sets(x, y, 3, seed=7)
    assert found.shape == (3, 10, 1, 28, 28)
    assert torch.equal(found[0], data.centroids("MNIST", "random", seed=7))
    assert torch.equal(found, ablations.random_sets(x, y, 3, seed=7))
    assert not torch.equal(found, ablations.random_sets(x, y, 3, seed=8))
    for one_set in found:
        for c, image in enumerate(one_set):
            [owner] = (x == image).all(dim=(1, 2, 3)).nonzero()[:, 0]
            assert y[owner] == c


def test_count_agrees_with_the_evaluation(made, digits):
    x, y = (part[:150] for part in digits)  # a full batch and half of one
    few = {name: made[name] for name in ("plain", "alpha=-0.1", "sets=2/released")}
    rows = ablations.count(made["plain"].model, few, x, y, eps=(0.0, 0.1))
    assert [row["variant"] for row in rows] == list(few)
    for row in rows:
        table = evaluation.under_attack(made["plain"].model, x, y, eps=(0.0, 0.1), defense=few[row["variant"]])
        for method in ablations.METHODS:
            assert row[method] == table.query("method == @method")["right"].tolist()


def test_run_over_draws_changes_the_centroids_alone(monkeypatch):
    monkeypatch.setattr(ablations, "SEEDS", (0, 1))
    rows = pd.DataFrame(ablations.run(what="draws", network="FullyConnected", dataset="MNIST", images=100)["rows"])
    assert set(rows["seed"]) == {0, 1}
    assert set(rows["eps"].map(tuple)) == {ablations.DRAWN_EPS}
    by_seed = {seed: part.set_index("variant") for seed, part in rows.groupby("seed")}
    assert by_seed[0]["defenseless"].tolist() == by_seed[1]["defenseless"].tolist()
    assert by_seed[0]["defended"]["plain"] != by_seed[1]["defended"]["plain"]
    x, y = evaluation.draw(*data.load("MNIST", "test"), 100, seed=0)
    centroids = data.centroids("MNIST", "random", seed=1)
    defense = ablations.CentroidDefense(training.shipped("FullyConnected", "MNIST"), centroids, data.alphas("MNIST"))
    table = evaluation.under_attack(defense.model, x, y, eps=ablations.DRAWN_EPS, defense=defense)
    assert by_seed[1]["defended"]["plain"] == table.query("method == 'defended'")["right"].tolist()


@pytest.mark.parametrize("dataset", data.DATASETS)
def test_run_over_trainings_takes_other_images_each_time(monkeypatch, dataset):
    """With the same weights for every seed, only the images (and the drawn sets) are left to differ."""
    monkeypatch.setattr(setting, "SEEDS", (0, 1))
    shipped = training.shipped("FullyConnected", dataset)
    monkeypatch.setattr(ensemble, "released", lambda network, dataset, *, seeds: [shipped] * len(seeds))
    found = ablations.run(what="trainings", network="FullyConnected", dataset=dataset, images=100)
    rows = pd.DataFrame(found["rows"]).set_index(["seed", "variant"])
    for seed in (0, 1):
        x, y = evaluation.draw(*data.load(dataset, "test"), 100, seed=seed)
        right = evaluation.under_attack(shipped, x, y, eps=ablations.EPS)["right"].tolist()
        assert rows["defenseless"][seed, "plain"] == right
        first = ablations.CentroidDefense(shipped, data.centroids(dataset), data.alphas(dataset))
        assert rows["defended"][seed, "plain"][0] == int((first.predict(x) == y).sum())


def test_run_refuses():
    with pytest.raises(ValueError, match="what is 'both'"):
        ablations.run(what="both", network="LeNet5", dataset="MNIST", images=10)


@pytest.mark.parametrize("profile", runtime.PROFILES)
def test_units(profile):
    found = ablations.units(profile)
    pairs = {(unit["what"], unit["network"], unit["dataset"]) for unit in found}
    assert len(pairs) == len(found) == 2 * len(ablations.PAIRS)
    with pytest.raises(ValueError, match="profile"):
        ablations.units("quick")


# What the chapter makes of its records, on records made by hand.


@pytest.mark.parametrize(
    ("curve", "where"),
    [
        ([0.5 - 0.05 * k for k in range(11)], 0.4),  # 0.1 itself at 0.4 is not below it
        ([0.5, 0.2, 0.0, *[0.0] * 8], 0.075),
        ([0.3] * 11, 0.5),
        ([0.1] * 11, 0.5),
        ([0.05, *[0.3] * 10], 0.0),
        ([0.3, 0.05, *[0.3] * 9], 0.04),
    ],
)
def test_below_chance_at(curve, where):
    assert evaluation.below_chance_at(curve) == pytest.approx(where, abs=1e-6)


def test_over_seeds():
    found = intervals.over_seeds([1.0, 2.0, 4.0])
    half = stats.t.ppf(0.975, 2) * math.sqrt(7 / 3) / math.sqrt(3)
    assert found == pytest.approx(
        {"value": 7 / 3, "low": 7 / 3 - half, "high": 7 / 3 + half, "sd": math.sqrt(7 / 3), "seeds": 3}
    )


DEFENDED = {"plain": 0.4, "sets=2/released": 0.12, "alpha=+0.1": 0.2}


def rows(network, dataset, *, images=1_000, defended=DEFENDED, drop=0.03, variants=None):
    """Accuracies that fall by `drop` a step (with the released loop not at all), 0.01 higher for each further seed."""
    found = []
    for seed in range(3):
        for variant in variants or defended:
            start, step = defended.get(variant, 0.4), 0 if "released" in variant else drop
            curve = [round(images * (max(start - step * k, 0) + 0.01 * seed)) for k in range(11)]
            row = {"what": "trainings", "network": network, "dataset": dataset, "images": images, "seed": seed}
            row |= {"variant": variant, "eps": list(ablations.EPS), "defended": curve, "loose": curve}
            found.append(row | {"defenseless": [round(images * 0.02)] * 11})
    return found


def hand_made(monkeypatch, found):
    looks = [
        {"network": n, "dataset": d, "images": 2_000} | row
        for n, d in ablations.PAIRS
        for s in range(3)
        for row in readings_rows(s)
    ]
    monkeypatch.setattr(runner, "results", lambda chapter: pd.DataFrame(looks if chapter == "readings" else found))
    return ablations.accuracies(ablations.recorded("trainings"))


def test_accuracies(monkeypatch):
    accuracy = hand_made(monkeypatch, rows("LeNet5", "MNIST"))
    assert accuracy.shape == (9, 33)
    assert accuracy.loc["LeNet5", "MNIST", "plain", 2]["defended", 0.1] == pytest.approx(0.4 - 0.06 + 0.02)
    assert (accuracy["defenseless"] == 0.02).all(axis=None)


def test_the_larger_profile_counts(monkeypatch):
    other = dict.fromkeys(DEFENDED, 0.9)
    found = rows("LeNet5", "MNIST", images=500, defended=other) + rows("LeNet5", "MNIST", images=1_000)
    accuracy = hand_made(monkeypatch, found)
    assert accuracy.loc["LeNet5", "MNIST", "plain", 0]["defended", 0.0] == pytest.approx(0.4)


def test_curves(monkeypatch):
    accuracy = hand_made(monkeypatch, rows("LeNet5", "MNIST"))
    found = ablations.curves(accuracy.loc["LeNet5", "MNIST", "plain"])
    row = found.query("method == 'defended' and eps == 0.2").iloc[0]
    half = stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    assert (row["accuracy"], row["low"], row["high"]) == pytest.approx((0.29, 0.29 - half, 0.29 + half))
    assert len(found) == 33


def test_quantities(monkeypatch):
    accuracy = hand_made(monkeypatch, rows("LeNet5", "MNIST"))
    found = ablations.quantities(accuracy.loc["LeNet5", "MNIST"])
    assert found["alpha=+0.1/change/eps=0"] == pytest.approx([-0.2] * 3)
    assert found["sets=2/released/largest_change"] == pytest.approx([0.28] * 3)
    assert found["sets=2/released/range"] == pytest.approx([0] * 3)
    assert found["plain/range"] == pytest.approx([0.3] * 3)
    assert found["sets=2/released/farthest_from_chance"] == pytest.approx([0.02, 0.03, 0.04])
    assert found["plain/gain/eps=0.4"] == pytest.approx([0.14, 0.15, 0.16])
    # 0.2 - 0.6 eps falls below 0.1 at 1/6, and 0.4 - 0.6 eps (here down to 0.1) does not.
    assert found["alpha=+0.1/below_chance_at"][0] == pytest.approx(1 / 6)
    assert found["alpha=+0.1/below_chance_change"][0] == pytest.approx(1 / 6 - 0.5)


@pytest.fixture
def estimates(monkeypatch, model, sets):
    """The estimates from hand-made records of everything, with `change` applied to each row."""
    variants = ablations.variants(training.shipped("FullyConnected", "MNIST"), data.alphas("MNIST"), sets)

    def make(**options):
        found = [row for pair in ablations.PAIRS for row in rows(*pair, variants=variants, **options)]
        hand_made(monkeypatch, found)
        return ablations.estimates()

    return make


def test_each_quantity_that_is_asked_is_estimated(estimates):
    asked = claims.asked("ablations")
    found = estimates()
    assert set(found) == asked
    assert all(claims.Estimate(**fields) for fields in found.values())


def test_the_layers_alone(estimates):
    """Shares of 0.2, 0.45 + 0.01 s and 0.3 by tap."""
    spread = estimates()["LeNet5/MNIST/nearest/range/eps=0.1"]
    assert (spread["value"], spread["n"]) == (pytest.approx(0.26), 2_000)


def test_estimates_of_the_shifted_thresholds(estimates):
    found = {key: e["value"] for key, e in estimates().items() if key.startswith("alphas")}
    ends = {"up/lowest": 0.4, "up/highest": 0.5, "down/lowest": 0.2, "down/highest": 0.3}
    assert found == pytest.approx({f"alphas/MNIST/{key}": value for key, value in ends.items()})


def test_a_changed_record_moves_the_verdict(estimates):
    def verdict(drop):
        found = {quantity: claims.Estimate(**e) for quantity, e in estimates(drop=drop).items()}
        [claim] = [c for c in claims.load("pepe") if c.id == "pepe-figure4-stable-fc-2"]
        return claims.judge(claim, found)

    assert (verdict(0.001), verdict(0.03)) == (claims.REPRODUCED, claims.CODE_ONLY)


def test_the_interval_is_that_of_the_trainings(estimates):
    e = estimates()["FullyConnected/MNIST/sets=2/gain/eps=0.4"]
    assert (e["value"], e["sd"], e["seeds"]) == pytest.approx((0.15, 0.01, 3))
    assert e["high"] - e["value"] == pytest.approx(stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3))
    assert e["n"] == 1_000
    assert np.isfinite(e["low"])
