"""The first paper read otherwise: each switch is the defence that its name says; looks counted by hand."""

import json

import pytest
import torch
from book.experiments.hand_made import TAPS, write_readings

from fairlib import attacks, data, training
from fairlib.book import claims
from fairlib.book.experiments import readings
from fairlib.book.experiments.readings import printed, switches
from fairlib.defenses import NOBODY, CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")
N = 60


@pytest.fixture(scope="module")
def few():
    return tuple(part[:N] for part in data.load("MNIST", "test"))


def test_units_are_the_four_networks():
    for profile in ("embedded", "paper"):
        units = readings.units(profile)
        assert json.loads(json.dumps(units)) == units and len(units) == 4
    with pytest.raises(ValueError, match="profile is 'quick', expected one of: embedded, paper"):
        readings.units("quick")


def test_the_pairs_are_all_there_and_each_once(model):
    names = [switches.name(thrown) for thrown in readings.options(model, several=True)]
    assert names[0] == "" and len(set(names)) == len(names)
    assert "taps=paper, alpha=-0.1" in names and "taps=paper, taps=logits" not in names
    assert ("conv_cosine=flat" in names) == (type(model).__name__ == "LeNet5")
    assert all(one in readings.CALLED for name in names if name for one in name.split(", "))
    assert not any("sets" in switches.name(s) for s in readings.options(model, several=False))


def test_each_pair_is_the_defence_that_its_name_says(model, few):
    x, y = few
    rows = {row["switches"]: row for row in switches.pairs(model, "MNIST", x, y)}
    alpha, first = data.alphas("MNIST"), data.centroids("MNIST")
    five = torch.stack([data.centroids("MNIST", name) for name in ("first", "a", "b", "c", "d")])
    logits = tuple(t if t != "log_softmax" else "linear_out" for t in model.released_taps)
    logits = logits if "linear_out" in logits and type(model).__name__ != "LeNet5" else model.released_taps[:-1]
    expected = {
        "": CentroidDefense(model, first, alpha),
        "taps=paper, alpha=-0.1": CentroidDefense(model, first, alpha - 0.1, taps="paper"),
        "taps=logits, ties=closest": CentroidDefense(model, first, alpha, taps=logits, ties="closest"),
        "alpha=0.3, sets=sum": CentroidDefense(model, five, [0.3] * 10),
        "loose_rule=top3, nobody=no": CentroidDefense(model, first, alpha, loose_rule="top3", nobody=False),
    }
    for i, eps in enumerate(switches.EPS):
        x_adv = attacks.fgsm(model, x, y, eps=eps)
        for name, defense in expected.items():
            predicted, loose = defense.predict_and_loose(x_adv, y)
            assert rows[name]["defended"][i] == (predicted == y).sum(), name
            assert rows[name]["loose"][i] == loose.sum(), name


def test_the_text_and_the_looks(model, few):
    x, y = few
    rows = printed.as_printed(model, "MNIST", x, y)
    assert json.loads(json.dumps(rows)) == rows
    by = {row.get("variant", row.get("look")): row for row in rows}
    alpha, centroids = data.alphas("MNIST"), data.centroids("MNIST")
    plain = CentroidDefense(model, centroids, alpha)
    text = CentroidDefense(model, centroids, alpha, **printed.TEXT)
    i = printed.EPS.index(0.2)
    x_adv = attacks.fgsm(model, x, y, eps=0.2)
    predicted, distance = plain.predict(x_adv), plain.distances(x_adv)[:, :, 0]
    assert by["text"]["defended"][i] == (text.predict(x_adv) == y).sum()
    assert by["released"]["defended"][i] == (predicted == y).sum()
    assert by["nobody"]["count"][i] == (predicted == NOBODY).sum()
    fair = [p >= 0 and bool((distance[:, k, p] <= alpha[p]).all()) for k, p in enumerate(predicted.tolist())]
    assert by["everywhere"]["count"][i] == sum(fair)
    assert by["by class"]["defended"][i][3] == ((predicted == y) & (y == 3)).sum()
    assert by["nearest"]["count"][i] == [int((tap.argmin(1) == y).sum()) for tap in distance]
    with torch.no_grad():
        assert by["dimmed"]["defenseless"] == [int((model(z).argmax(1) == y).sum()) for z in (x, x / 2)]
    assert by["dimmed"]["defended"][1] == (plain.predict(x / 2) == y).sum()
    to_each_side = printed.moved(x)
    assert by["moved"]["defended"][1] == sum(int((plain.predict(z) == y).sum()) for z in to_each_side)
    torch.testing.assert_close(to_each_side[0][:, :, 2:], x[:, :, :-2])  # two pixels down


def test_what_the_records_say(house):
    with pytest.raises(FileNotFoundError, match=r"no results of readings in .*; run `make reproduce ONLY=readings/`"):
        readings.counts("nobody")
    write_readings()
    shares = readings.accuracies().loc["LeNet5", "MNIST", "taps=paper, alpha=-0.1"]
    assert shares["defended", 0.0].tolist() == pytest.approx([0.45 + 0.005 * s for s in range(10)])
    text = readings.text("text").loc["FullyConnected", "FashionMNIST"]
    assert text["defended", 0.1].tolist() == pytest.approx([0.35 + 0.005 * s for s in range(10)])
    assert text["defenseless"].columns.tolist() == list(readings.EPS)
    tops = readings.tops().loc["LeNet5", "MNIST"][0.1]
    assert tops.columns.tolist() == list(TAPS)
    assert tops["linear1"].tolist() == pytest.approx([0.45 + 0.01 * s for s in range(10)])
    assert readings.counts("moved").loc["LeNet5", "MNIST", 2]["defenseless"] == [1_800, 5_920]


def test_the_text_differs_where_the_claims_say_so():
    """Every row with a text's column of the defence asks for the same quantity of it."""
    rows = [c for c in claims.load("pepe") if c.quantity_text and c.quantity_text.startswith("text/")]
    assert len(rows) > 60
    assert all(c.quantity_text == f"text/{c.quantity}" for c in rows)


def test_run_says_which_training(monkeypatch, few):
    shipped = training.shipped("FullyConnected", "MNIST")
    trainings = lambda network, dataset, images: iter([(7, shipped, tuple(part[:images] for part in few))])  # noqa: E731
    monkeypatch.setattr("fairlib.book.experiments.shared.trainings", trainings)
    rows = readings.run(network="FullyConnected", dataset="MNIST", images=5)["rows"]
    assert {row["seed"] for row in rows} == {7} and len(rows) == len(readings.options(shipped, True)) + 4 + 6
