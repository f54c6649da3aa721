"""What the headline chapters tell the ledger: measures against closed forms, estimates against hand-made records."""

import json
import math

import pandas as pd
import pytest
import torch
from book.experiments.hand_made import write_readings
from scipy import stats

from fairlib import attacks, files, training
from fairlib.book import claims, units
from fairlib.book.experiments import centroid_defense, fgsm, headline
from fairlib.book.experiments import training as chapter

EPS = [k / 20 for k in range(11)]


def write(chapter: str, arguments: dict, rows: list[dict]) -> None:
    unit = units.Unit(chapter, arguments)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    record = {"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}
    unit.path.write_text(json.dumps(record))


def write_trainings(network: str, dataset: str, curves: dict[str, list[float]]) -> None:
    """Ten trainings; the accuracy of seed s is its curve over the grid, plus 0.01 s."""
    rows = [
        {"seed": s, "eps": e, "method": method, "right": round(10_000 * (a + 0.01 * s)), "n": 10_000}
        for s in range(10)
        for method, curve in curves.items()
        for e, a in zip(EPS, curve, strict=True)
    ]
    write("seeds", {"what": "trainings", "network": network, "dataset": dataset, "first": 0}, rows)


def write_looks() -> None:
    for network, name in headline.PAIRS:
        first, second = headline.NOISIER[name]
        quantities = ["cosine_to_gradient", "largest_step/eps=0.2", "gray_share/eps=0.5", "shift/last-first/eps=0.1"]
        quantities += [f"spread/{first}-{second}"]
        quantities += [f"confusion/{p}_minus_4-2/eps=0.1" for p in ("1-7", "8-0")] if name == "MNIST" else []
        rows = [{"quantity": q, "value": 0.3, "low": 0.2, "high": 0.4, "n": 100} for q in quantities]
        write("headline", {"what": "look", "network": network, "dataset": name}, rows)


def write_all() -> None:
    """All records: ten trainings whose defence loses 0.05 a step from 0.5 on, three by the printed rule, and looks."""
    for network, name in headline.PAIRS:
        lead = 0.1 * (network == "LeNet5") + 0.05 * (name == "MNIST")
        undefended = [0.8 + lead, 0.6 + lead] + 9 * [0.01 + lead / 10]
        defended = [0.5 - 0.05 * k for k in range(11)]
        write_trainings(network, name, {"defenseless": undefended, "defended": defended, "loose": [0.6] * 11})
        for seed, epochs in enumerate((3, 3, 4)):
            row = {"epochs": epochs, "validation": 0.95 + 0.0004 * seed, "right": 9_400 + 10 * seed, "n": 10_000}
            arguments = {"what": "printed rule", "network": network, "dataset": name, "seed": seed}
            write("headline", arguments, [row])
    write_looks()
    write_readings()


MODULES = {"training": chapter, "fgsm": fgsm, "centroid_defense": centroid_defense}


@pytest.mark.parametrize("name", MODULES)
def test_each_quantity_that_is_asked_is_estimated(house, name):
    write_all()
    asked = claims.asked(name)
    found = MODULES[name].estimates()
    assert set(found) == asked
    assert all(claims.Estimate(**fields) for fields in found.values())


# The standard deviation of 0, 0.01, ... 0.09, and half the width of the interval of the mean.
SD = 0.01 * math.sqrt(55 / 6)
HALF = stats.t.ppf(0.975, 9) * SD / math.sqrt(10)


def test_the_defence_by_hand(house):
    write_all()
    found = centroid_defense.estimates()
    for quantity, value, sd in [
        ("FullyConnected/MNIST/defended/eps=0.1", 0.4 + 0.045, SD),
        ("LeNet5/FashionMNIST/loose/eps=0.5", 0.6 + 0.045, SD),
        ("LeNet5/MNIST/gain/eps=0.05", 0.45 - 0.75, 0),  # every seed moves both by the same
        ("LeNet5/MNIST/loose_minus_defended/eps=0.2", 0.6 - 0.3, 0),
        ("LeNet5/FashionMNIST/defended/lowest", 0.045, SD),
        # Seed s holds 0.5 + 0.01 s - eps, which is 0.1 at eps = 0.4 + 0.01 s.
        ("FullyConnected/MNIST/defended/below_chance_at", 0.4 + 0.045, SD),
        # Gain -0.15 at 0.05 and 0.39 at 0.1: zero after 15/54 of the step. LeNet: -0.25 and 0.38, after 25/63.
        ("FashionMNIST/crossover_lenet_minus_fc", 0.05 * (25 / 63 - 15 / 54), 0),
        ("LeNet5/crossover_mnist_minus_fashion", 0.05 * (30 / 67.5 - 25 / 63), 0),
        ("FullyConnected/gain_fashion_minus_mnist/eps=0.1-0.2", 0.005, 0),
        ("FashionMNIST/gain_fc_minus_lenet/eps=0.1-0.2", 0.01, 0),
        ("MNIST/defenseless_lenet_minus_fc/eps=0.1", 0.01, 0),
    ]:
        numbers = [found[quantity][key] for key in ("value", "low", "high", "sd")]
        half = (numbers[2] - numbers[1]) / 2
        assert numbers == pytest.approx([value, value - half, value + half, sd], abs=1e-9), quantity
        assert half > (HALF if sd else 0), "the test images that all trainings share have their part in it"
        assert (found[quantity]["seeds"], found[quantity]["n"]) == (10, 10_000)
    images = math.sqrt(0.445 * 0.555 / 10_000) * stats.norm.ppf(0.975)
    defended = found["FullyConnected/MNIST/defended/eps=0.1"]
    assert defended["high"] - defended["value"] == pytest.approx(math.hypot(HALF, images), rel=1e-4)
    gain, undefended = found["LeNet5/MNIST/gain/eps=0.05"], 0.75 + 0.045
    images = math.sqrt((0.495 * 0.505 + undefended * (1 - undefended)) / 10_000) * stats.norm.ppf(0.975)
    assert gain["high"] - gain["value"] == pytest.approx(images, rel=1e-4)


def test_the_text_and_what_no_table_says_by_hand(house):
    write_all()
    found = centroid_defense.estimates()
    value = {key: e["value"] for key, e in found.items()}
    assert value["text/FullyConnected/MNIST/gain/eps=0.1"] == pytest.approx((800 - 100 + 45 - 300) / 2_000)
    assert value["LeNet5/MNIST/nobody/eps=0.5"] == pytest.approx((10 + 4.5) / 2_000)
    assert value["LeNet5/MNIST/fair_everywhere/eps=0"] == pytest.approx(1_904.5 / 2_000)
    assert value["FullyConnected/FashionMNIST/defenseless/eps=1"] == pytest.approx(0.15)
    assert value["FullyConnected/FashionMNIST/dimmed/change"] == pytest.approx((-60 + 45) / 2_000)
    assert value["MNIST/moved_lenet_minus_fc"] == pytest.approx(0)
    assert value["LeNet5/MNIST/above_chance/eps=0.4"] == pytest.approx(0.1 + 0.045 - 0.1)
    own = found["text/FullyConnected/MNIST/gain/eps=0.1"]
    assert own["high"] - own["value"] == pytest.approx(HALF / 0.01 * 10 / 2_000)  # each training has images of its own
    assert (own["n"], own["seeds"], own["record"]) == (2_000, 10, "results/readings")


def test_no_metric_exceeds_zero():
    angles = range(0, 181, 5)
    assert max(centroid_defense.excess(a) for a in angles) == centroid_defense.excess(60) == pytest.approx(0.25)
    assert centroid_defense.excess(0) == centroid_defense.excess(90) == 0


def test_training_by_hand(house):
    write_all()
    found = chapter.estimates()
    assert found["FullyConnected/MNIST/defenseless/eps=0/training=released"]["value"] == pytest.approx(0.85 + 0.045)
    ruled = found["FullyConnected/MNIST/defenseless/eps=0/training=paper"]
    half = stats.t.ppf(0.975, 2) * 0.001 / math.sqrt(3)
    half = math.hypot(half, stats.norm.ppf(0.975) * math.sqrt(0.941 * 0.059 / 10_000))
    assert [ruled[k] for k in ("value", "low", "sd", "seeds")] == pytest.approx([0.941, 0.941 - half, 0.001, 3])
    assert found["LeNet5/mnist_minus_fashion/eps=0"]["value"] == pytest.approx(0.05)
    reached = found["LeNet5/MNIST/reached/training=paper"]
    assert (reached["value"], reached["low"]) == pytest.approx((1, 0.025 ** (1 / 3)))  # three of three, no more
    assert reached["units"] == 3
    exact = {key: (e["low"], e["value"], e["high"]) for key, e in found.items() if not e.keys() & {"sd", "units"}}
    assert exact == {
        "FullyConnected/linear_layers": (7, 7, 7),
        "FullyConnected/hidden_width": (64, 64, 64),
        "LeNet5/layers": (5, 5, 5),
        "LeNet5/linear_layers": (3, 3, 3),
        "MNIST/validation_images": (5000, 5000, 5000),
        "FashionMNIST/validation_images": (5000, 5000, 5000),
        "epochs/fc_minus_lenet/released": (18, 18, 18),
        "epochs/fc_minus_lenet/text": (0, 0, 0),
    }


def test_what_stands_in_the_data(house):
    write_all()
    found = fgsm.estimates() | centroid_defense.estimates()
    exact = {key: e["value"] for key, e in found.items() if "record" not in e}
    assert exact == pytest.approx({
        "gray/MNIST/largest_distance": 0.5,
        "gray/FashionMNIST/largest_distance": 0.5,
        "centroids/images": 10,
        "alphas/MNIST/1-8": 0.1,
        "alphas/FashionMNIST/4-0": 0.15,
        "centroids/MNIST/sets": 5,
        "metric/excess": 0.25,
    })  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("part", [0, 3])
def test_missing_records_are_named(house, name, part):
    write_all()
    gone = sorted((files.root() / "results").rglob("*LeNet5,dataset=FashionMNIST*"))
    for path in gone if part else (files.root() / "results").rglob("*.json"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no results of (seeds|headline|readings).*run `make reproduce ONLY="):
        MODULES[name].estimates()


# --- The measures. ---


def test_the_cosine_to_the_gradient():
    g = torch.tensor([[3.0, -4.0], [1e-12, 0.0], [-2e-9, -2e-9]]).view(3, 1, 1, 2)
    assert headline.cosine_to_gradient(g).tolist() == pytest.approx([7 / (5 * math.sqrt(2)), 1, 1])


def test_the_shift_is_that_of_the_last_tap_minus_that_of_the_first(digits):
    x, y = digits[0][:20], digits[1][:20]
    for model in (training.shipped("LeNet5", "MNIST"), training.shipped("FullyConnected", "MNIST")):
        x_adv = attacks.fgsm(model, x, y, eps=0.1)
        with torch.no_grad():
            clean, attacked = dict(model.layers(x)), dict(model.layers(x_adv))
            found = headline.shift(model, model.released_taps, x, x_adv)
        for i in range(len(x)):
            d = []
            for tap in (model.released_taps[0], "log_softmax"):
                a, b = clean[tap][i].double().flatten(1 if tap == "conv1" else 0), attacked[tap][i].double()
                a, b = a.reshape(len(a), -1), b.reshape(len(a), -1)
                cosines = [(a[:, p] @ b[:, p] / (a[:, p].norm() * b[:, p].norm())).item() for p in range(a.shape[1])]
                d.append(sum((1 - c) / 2 for c in cosines) / len(cosines))
            assert found[i].item() == pytest.approx(d[1] - d[0], abs=1e-5)


def test_uniform_images():
    gray = torch.full((1, 1, 4, 4), 0.5)
    nearly, not_quite = gray.clone(), gray.clone()
    nearly[0, 0, 1, 2] += 1 / 255
    not_quite[0, 0, 1, 2] += 2 / 255
    assert headline.uniform(torch.cat([gray, nearly, not_quite])).tolist() == [True, True, False]


def test_confused_pairs():
    y = torch.tensor([1, 1, 7, 7, 7, 4, 2])
    predicted = torch.tensor([7, 1, 1, 7, 2, 2, 7])
    assert headline.confused(predicted, y, (1, 7)) == (2, 5)
    assert headline.confused(predicted, y, (4, 2)) == (1, 2)
    assert headline.confused(predicted, y, (8, 0)) == (0, 0)


@pytest.mark.parametrize("what", ["look", "printed rule"])
def test_a_unit_on_a_few_images(what, monkeypatch):
    """Both kinds run through and give what the estimates read."""
    real = headline.data.load
    monkeypatch.setattr(headline.data, "load", lambda name, split: tuple(t[:6_000] for t in real(name, split)))
    seed = {} if what == "look" else {"seed": 1}
    rows = json.loads(json.dumps(headline.run(what=what, network="FullyConnected", dataset="MNIST", **seed)))["rows"]
    if what == "look":
        found = {row["quantity"]: row["value"] for row in rows}
        assert found["largest_step/eps=0.2"] == pytest.approx(0.2)
        assert 0.5 < found["cosine_to_gradient"] < 1
    else:
        assert [set(row) for row in rows] == [{"epochs", "validation", "right", "n"}]
    with pytest.raises(ValueError, match="what is 'looks', expected one of: look, printed rule"):
        headline.run(what="looks", network="FullyConnected", dataset="MNIST")


def test_zero_is_crossed_where_it_is():
    for *gain, expected in [
        (-0.2, 0.2, -0.1, 0.05),
        (-0.3, -0.1, 0.3, 0.125),
        (-0.3, 0.0, 0.1, 0.1),
        (0.1, -1.0, -1.0, 0.0),
        (-1.0, -1.0, -1.0, 0.2),
    ]:
        assert centroid_defense.crosses_zero_at(pd.Series(gain, index=[0.0, 0.1, 0.2])) == pytest.approx(expected)
