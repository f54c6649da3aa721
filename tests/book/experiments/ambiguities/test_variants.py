"""The switches against the defence made anew, literal loops for what it does not offer, and the ledger against both."""

import numpy as np
import pytest
import torch

from fairlib import attacks, data, evaluation, runtime, training, tuning
from fairlib.book import units
from fairlib.book.experiments import ambiguities
from fairlib.book.experiments.ambiguities import EPS, variants
from fairlib.book.experiments.ambiguities.records import REFERENCE
from fairlib.defenses import CentroidDefense

ELSEWHERE = {
    "one pool",
    "printed rule",
    "random centroids",
    "another training",
    "float32 gradient",
}  # measured outside of `switched`


@pytest.fixture(scope="module")
def measured():
    """Every switch on LeNet-5, once per data set, on 60 test and 60 training images: rows by variant."""
    found = {}
    for name in data.DATASETS:
        test, seen = (tuple(t[:60] for t in data.load(name, split)) for split in ("test", "train"))
        rows = variants.switched(training.shipped("LeNet5", name), name, test, seen, seed=3)
        found[name] = {row["variant"]: row for row in rows}
    return found


def counts(model, centroids, alpha, x, y, eps=EPS, **options) -> dict[str, list[int]]:
    """Right answers of a defence that is made anew and run on images, one list over eps for each method."""
    defense = CentroidDefense(model, centroids, alpha, **options)
    table = evaluation.under_attack(model, x, y, eps=eps, defense=defense)
    return {method: rows["right"].tolist() for method, rows in table.groupby("method")}


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("plain", {}),
        ("taps=paper", {"taps": "paper"}),
        ("taps=logits", {"taps": ["conv1", "conv2", "fc1", "fc2", "fc3"]}),
        ("conv_cosine=flat", {"conv_cosine": "flat"}),
        ("comparison=lt", {"comparison": "lt"}),
        ("nobody=False", {"nobody": False}),
        ("ties=highest", {"ties": "highest"}),
        ("ties=closest", {"ties": "closest"}),
        ("loose_rule=top3", {"loose_rule": "top3"}),
        ("weights=early", {"weights": np.exp([-1, -2, -3, -4, -5, -6])}),
        ("weights=early, rounded", {"weights": [0.4, 0.1, 0, 0, 0, 0]}),
        ("weights=late, rounded", {"weights": [2.7, 7.4, 20.1, 54.6, 148.4, 403.4]}),
    ],
)
@pytest.mark.parametrize("name", data.DATASETS)
def test_a_switch_is_an_argument_of_the_defence(measured, name, variant, options):
    model, (x, y) = training.shipped("LeNet5", name), (t[:60] for t in data.load(name, "test"))
    expected = counts(model, data.centroids(name), data.alphas(name), x, y, **options)
    assert {method: measured[name][variant][method] for method in expected} == expected


@pytest.mark.parametrize(("variant", "shift"), [("alpha=+0.1", 0.1), ("alpha=-0.1", -0.1)])
def test_shifted_thresholds(measured, variant, shift):
    model, (x, y) = training.shipped("LeNet5", "MNIST"), (t[:60] for t in data.load("MNIST", "test"))
    expected = counts(model, data.centroids("MNIST"), data.alphas("MNIST") + shift, x, y)
    assert {method: measured["MNIST"][variant][method] for method in expected} == expected


@pytest.mark.parametrize("sets", ["sum", "any", "released"])
def test_several_sets(measured, sets):
    model, (x, y) = training.shipped("LeNet5", "MNIST"), (t[:60] for t in data.load("MNIST", "test"))
    centroids = torch.stack([data.centroids("MNIST", name) for name in ("first", "a", "b", "c", "d")])
    expected = counts(model, centroids, data.alphas("MNIST"), x, y, sets=sets)
    assert {method: measured["MNIST"][f"sets={sets}"][method] for method in expected} == expected
    assert f"sets={sets}" not in measured["FashionMNIST"]


def test_other_images_other_budgets_other_weights(measured):
    name = "FashionMNIST"
    model, stranger = (training.shipped("LeNet5", d) for d in (name, "MNIST"))
    (x, y), (x_seen, y_seen) = ((t[:60] for t in data.load(name, split)) for split in ("test", "train"))
    given = data.centroids(name), data.alphas(name)
    expected = {
        "training images": counts(model, *given, x_seen, y_seen),
        "released grid": counts(model, *given, x, y, eps=[0, 24 / 255, 52 / 255]),
        "weights of MNIST": counts(stranger, *given, x, y),
    }
    found = measured[name]
    assert {v: {m: found[v][m] for m in expected[v]} for v in expected} == expected
    assert "weights of MNIST" not in measured["MNIST"]


def test_the_released_grids_nearest_budgets():
    assert variants.on_released_grid("FullyConnected") == [1 / 255, 25 / 255, 50 / 255]
    assert variants.on_released_grid("LeNet5") == [0, 24 / 255, 52 / 255]


def test_corrected_centroids_differ_where_the_label_was_wrong(measured):
    sets = ambiguities.centroid_sets("FashionMNIST", 3)
    assert ambiguities.strangers("FashionMNIST") == [3, 7]
    assert ambiguities.strangers("MNIST") == []
    x, y = data.load("FashionMNIST", "train")
    for kind in ambiguities.RELABELLED:
        changed = [c for c in range(10) if not torch.equal(sets[kind][c], sets["first"][c])]
        assert changed == [3, 7]
        for c in changed:
            (where,) = (x == sets[kind][c]).flatten(1).all(1).nonzero()
            assert y[where].tolist() == [c]
    assert list(ambiguities.centroid_sets("MNIST", 3)) == ["first", "a", "b", "c", "d"]
    model, (x, y) = training.shipped("LeNet5", "FashionMNIST"), (t[:60] for t in data.load("FashionMNIST", "test"))
    for kind in ambiguities.RELABELLED:
        expected = counts(model, sets[kind], data.alphas("FashionMNIST"), x, y)
        assert {method: measured["FashionMNIST"][kind][method] for method in expected} == expected


def test_classes_add_up(measured):
    for variant in ("plain", *ambiguities.RELABELLED):
        row = measured["FashionMNIST"][variant]
        assert [sum(by_class) for by_class in row["by_class"]] == row["defended"]
        assert sum(row["of_class"]) == 60


def test_decisions_leave_the_defence_as_it_was(model, digits):
    x, y = digits
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    before = defense.predict_and_loose(x, y)
    elsewhere = variants.decisions(defense, defense.distances(x).flip(1), y)
    assert torch.equal(elsewhere[0], before[0].flip(0))
    with pytest.raises(ValueError, match="labels in"):
        variants.decisions(defense, defense.distances(x), y + 10)
    assert all(torch.equal(a, b) for a, b in zip(defense.predict_and_loose(x, y), before, strict=True))


def test_without_clipping(model, digits):
    x, y = digits
    x_free = variants.unclipped(model, x, y, 0.2)
    assert x_free.min() < 0
    assert x_free.max() > 1
    torch.testing.assert_close(x_free.clamp(0, 1), attacks.fgsm(model, x, y, eps=0.2))
    sets = {"first": data.centroids("MNIST")}
    defense = CentroidDefense(model, sets["first"], data.alphas("MNIST"))
    inside = variants.unchecked_distances(defense, sets, x)
    torch.testing.assert_close(inside, defense.distances(x), rtol=0, atol=1e-5)
    moved = variants.unchecked_distances(defense, sets, x_free)
    assert (moved - variants.unchecked_distances(defense, sets, x_free.clamp(0, 1))).abs().max() > 0.01


def literal_tally(distance, alpha) -> tuple[list[int], int]:
    """Votes and those for nobody, one image (L, K)."""
    fair = [[d <= a for d, a in zip(tap, alpha, strict=True)] for tap in distance]
    return [sum(column) for column in zip(*fair, strict=True)], sum(not any(tap) for tap in fair)


def test_readings_of_nobody_are_those_of_a_literal_loop():
    g = runtime.generator(0)
    distance = torch.randint(0, 8, (4, 300, 1, 5), generator=g) / 10
    y, alpha = torch.randint(0, 5, (300,), generator=g), torch.full((5,), 0.1)
    found = variants.readings("plain", distance, alpha, y)
    seen = set()
    for i, label in enumerate(y.tolist()):
        tally, nobody = literal_tally(distance[:, i, 0].tolist(), alpha.tolist())
        most = max(tally)
        assert found["nobody wins ties"][0][i] == (-1 if nobody >= most else tally.index(most))
        tied, highest = tally.count(max(most, nobody)), max(most, nobody)
        assert found["loose, nobody counts"][1][i] == (tally[label] == highest and tied + (nobody == highest) < 4)
        assert found["loose, nobody ignored"][1][i] == (tally[label] == most and tally.count(most) < 4)
        seen.add((nobody > most) - (nobody < most))
    assert seen == {-1, 0, 1}


def test_every_place_is_the_released_loop_without_dropping():
    g = runtime.generator(1)
    taps, n, n_sets, classes = 3, 60, 3, 4
    distance = torch.randint(0, 10, (taps, n, n_sets, classes), generator=g) / 20
    alpha = torch.tensor([0.2, 0.25, 0.3, 0.35])
    found = variants.every_place(distance, alpha)
    beyond = 0
    for tap in range(taps):
        for i in range(n):
            survivors: list[int] = []
            for s in range(n_sets):
                similarities = survivors + [1 - 2 * d for d in distance[tap, i, s].tolist()]
                values = [(1 - c) / 2 for c in similarities]
                bounds = [*alpha.tolist(), *[float("inf")] * len(values)]
                survivors = [place for place, v in enumerate(values) if v <= bounds[place] + 1e-7]
            assert found[tap, i].nonzero()[:, 0].tolist() == survivors
            beyond += any(place >= classes for place in survivors)
    assert beyond > 0


def test_own_images_are_counted_among_the_right_ones():
    rows = {row["centroids"]: row for row in variants.own_images("FullyConnected", "MNIST", 300)}
    model, (x, y) = training.shipped("FullyConnected", "MNIST"), (t[:300] for t in data.load("MNIST", "test"))
    known = data.table("pepe_centroids").query("dataset == 'MNIST' and split == 'test' and index < 300")
    assert {name: row["own"] for name, row in rows.items() if row["own"]} == known[
        "centroid_set"
    ].value_counts().to_dict()
    for name, row in rows.items():
        assert row["right"] == counts(model, data.centroids("MNIST", name), data.alphas("MNIST"), x, y)["defended"]
        keep = torch.ones(300, dtype=torch.bool)
        keep[known.query("centroid_set == @name")["index"].tolist()] = False
        rest = [a - b for a, b in zip(row["right"], row["own_right"], strict=True)]
        others = counts(model, data.centroids("MNIST", name), data.alphas("MNIST"), x[keep], y[keep])["defended"]
        assert rest[0] == others[0]  # attacked images are the same ones, since each has its own gradient
        assert rest == others


def test_the_ledger_names_every_switch_once(measured):
    ledger = data.table("ambiguities")
    named = [v for row in ledger["variants"].dropna() for v in row.split(";")]
    assert len(named) == len(set(named))
    references = {"plain", *REFERENCE.values()} - set(REFERENCE)
    switched = {variant for rows in measured.values() for variant in rows}
    assert set(named) == (switched - references) | ELSEWHERE
    assert ledger["row"].tolist() == list(range(1, len(ledger) + 1))
    assert len(ledger) >= 20
    assert (ledger["variants"].isna() == ledger["why"].notna()).all()
    assert ledger[["topic", "text", "released", "here"]].notna().all().all()


def test_units_and_refusals():
    for profile in ("embedded", "paper"):
        names = [unit.name for unit in units.of("ambiguities", profile)]
        assert len(set(names)) == len(names) == 11
    with pytest.raises(ValueError, match="profile is 'big'"):
        ambiguities.units("big")
    with pytest.raises(ValueError, match="what is 'dreams', expected one of: switches, one pool"):
        ambiguities.run(what="dreams", network="LeNet5", dataset="MNIST", images=1)


def test_votes_of_the_plain_readings_use_the_defences_thresholds(model, digits):
    """Away from ties and crowds the readings agree with the defence itself."""
    x, y = digits
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    distance = defense.distances(x)
    found = variants.readings("plain", distance, defense.alpha, y)
    tally, nobody = tuning.votes(distance[:, :, 0], defense.alpha)
    clear = nobody < tally.amax(1)
    assert clear.any()
    predicted, loose = defense.predict_and_loose(x, y)
    for answers, hits in found.values():
        assert torch.equal(answers[clear], predicted[clear])
        assert torch.equal(hits[clear], loose[clear])
