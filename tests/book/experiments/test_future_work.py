"""Further work: counts against the defence run plainly, estimates against hand-made records."""

import json

import numpy as np
import pytest
import torch
from scipy import stats

from fairlib import attacks, data, evaluation, intervals, training
from fairlib.book import claims, units
from fairlib.book.experiments import future_work
from fairlib.book.experiments.future_work import EPS, INPUTS, PAIRS
from fairlib.defenses import CentroidDefense


@pytest.fixture
def few(monkeypatch):
    """Fits on few images."""
    monkeypatch.setattr(future_work, "TUNE", 60)
    monkeypatch.setattr(future_work, "CHOOSE", 40)


def plainly(model, centroids, alpha, x, y, **options) -> list[int]:
    """Right answers over EPS of a defence that is made anew and run on images."""
    defense = CentroidDefense(model, centroids, alpha, **options)
    table = evaluation.under_attack(model, x, y, eps=EPS, defense=defense)
    return table.query("method == 'defended'")["right"].tolist()


def test_each_variant_is_the_defence_that_its_name_says(model, digits, few):
    x, y = digits
    alpha = data.alphas("MNIST")
    picked = {kind: data.centroids("MNIST", kind) for kind in ("first", "mean", "medoid")}
    held_out = tuple(t[:100] for t in data.load("MNIST", "train"))
    rows = future_work.variants(model, picked, alpha, held_out, digits, seed=0)
    found = {row["variant"]: row for row in rows}
    assert all(len(row["right"]) == len(INPUTS) for row in rows)
    undefended = evaluation.under_attack(model, x, y, eps=EPS)["right"].tolist()
    assert found["defenseless"]["right"][:3] == undefended
    first, taps = picked["first"], list(model.released_taps)
    expected = {"plain": plainly(model, first, alpha, x, y)}
    expected |= {f"centroids={k}": plainly(model, picked[k], alpha, x, y) for k in ("mean", "medoid")}
    for tap in (taps[0], taps[-1]):
        rest = [t for t in taps if t != tap]
        expected[f"without={tap}"] = plainly(model, first, alpha, x, y, taps=rest)
        expected[f"only={tap}"] = plainly(model, first, alpha, x, y, taps=[tap])
    for aim in future_work.AIMS:
        expected[f"alpha={aim}"] = plainly(model, first, torch.tensor(found[f"alpha={aim}"]["alpha"]), x, y)
    assert {variant: found[variant]["right"][:3] for variant in expected} == expected
    assert found["centroids=chosen"]["kind"] in (
        "mean",
        "medoid",
        *(f"optimised, temperature {t}" for t in (0.02, 0.05)),
    )


def test_inputs(model, digits):
    x, y = digits
    clean, weak, strong, signs, other = future_work.inputs(model, x, y, seed=0)
    assert torch.equal(clean, x)
    torch.testing.assert_close(weak, attacks.fgsm(model, x, y, eps=0.1))
    torch.testing.assert_close(strong, attacks.fgsm(model, x, y, eps=0.2))
    inside = (x > 0.1) & (x < 0.9)
    torch.testing.assert_close((signs - x)[inside].abs(), torch.full_like(x, 0.1)[inside])
    with torch.no_grad():
        log_p = {
            name: model(v).gather(1, y[:, None]).mean()
            for name, v in {"clean": clean, "weak": weak, "other": other}.items()
        }
    assert log_p["weak"] < log_p["other"]  # a step against another class hardly hurts the true one
    assert (other - x).abs().max() <= 0.1 + 1e-6
    assert not torch.equal(other, weak)


def test_draws_count_the_same_images(few):
    rows = future_work.draws("FullyConnected", "MNIST", 100)
    model, (x, y) = training.shipped("FullyConnected", "MNIST"), (t[:100] for t in data.load("MNIST", "test"))
    undefended, *defended = rows
    assert undefended["right"] == evaluation.under_attack(model, x, y, eps=EPS)["right"].tolist()
    for row in defended:
        change = np.subtract(row["gained"], row["lost"])
        assert row["right"] == (np.array(undefended["right"]) + change).tolist()
    published = {row["centroids"]: row["right"] for row in defended if row["alpha"] == "published"}
    alpha = data.alphas("MNIST")
    assert published["first"] == plainly(model, data.centroids("MNIST"), alpha, x, y)
    assert published["3"] == plainly(model, data.centroids("MNIST", "random", seed=3), alpha, x, y)
    assert set(published) == {"first", *map(str, range(10))}


def test_subsets(few):
    rows = {row["mask"]: row for row in future_work.subsets("LeNet5", "FashionMNIST", 50)}
    model, (x, y) = training.shipped("LeNet5", "FashionMNIST"), (t[:50] for t in data.load("FashionMNIST", "test"))
    assert len(rows) == 2**6 - 1
    for mask in ("111111", "010110", "000001"):
        taps = [tap for tap, keep in zip(model.released_taps, mask, strict=True) if keep == "1"]
        centroids, alpha = data.centroids("FashionMNIST"), data.alphas("FashionMNIST")
        assert rows[mask]["right"] == plainly(model, centroids, alpha, x, y, taps=taps)


def test_the_widest_tap():
    widest = {name: future_work.widest(training.initialised(name, seed=0)) for name in ("FullyConnected", "LeNet5")}
    assert widest == {"FullyConnected": "linear_in", "LeNet5": "conv1"}


def test_kept_is_a_ratio_of_means():
    part, whole = [0.1, 0.3, 0.2], [0.2, 0.4, 0.6]
    assert np.mean(future_work.kept(part, whole)) == pytest.approx(0.5)
    assert future_work.kept([0.4, 0.8], [0.2, 0.4]) == pytest.approx([2, 2])
    g = np.random.default_rng(0)  # the spread is that of the ratio over repetitions
    whole = g.normal(1.0, 0.1, (4000, 10))
    part = 0.5 * whole + g.normal(0, 0.05, (4000, 10))
    ratios = part.mean(1) / whole.mean(1)
    errors = [np.std(future_work.kept(p, w), ddof=1) / 10**0.5 for p, w in zip(part, whole, strict=True)]
    assert np.mean(errors) == pytest.approx(ratios.std(), rel=0.1)


@pytest.mark.parametrize("profile", ["embedded", "paper"])
def test_units_name_their_work_once(profile):
    names = [unit.name for unit in units.of("future_work", profile)]
    assert len(set(names)) == len(names) == 16


def test_an_unknown_profile_and_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match=r"profile is 'big', expected one of: embedded, paper"):
        future_work.units("big")
    with pytest.raises(ValueError, match=r"what is 'dreams', expected one of: trainings"):
        future_work.run(what="dreams", network="LeNet5", dataset="MNIST", images=1)


def write(arguments: dict, rows: list[dict]) -> None:
    unit = units.Unit("future_work", arguments)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(json.dumps({"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}))


def test_estimates_from_hand_made_records(house):
    """Seed s adds s images to what the tuned thresholds give at eps = 0.1, and 10 s to what the whole defence gains."""
    for network, name in PAIRS:
        hidden = training.initialised("FullyConnected", seed=0).released_taps[:-1]
        widest = {"FullyConnected": hidden, "LeNet5": ("conv1",)}[network]
        rows = []
        for s in range(10):
            right = {
                "defenseless": [1900, 400, 0, 0, 0],
                "plain": [900, 600 + 10 * s, 0, 0, 0],
                "alpha=0.1": [1500, 700 + 11 * s, 0, 0, 0],
                "centroids=chosen": [0, 550 + 10 * s, 0, 0, 0],
                "alpha=clean": [1700, 0, 0, 0, 0],
                **{f"without={tap}": [0, 500 + 20 * i + 5 * s, 0, 0, 0] for i, tap in enumerate(widest)},
            }
            rows += [{"seed": s, "variant": variant, "right": counts} for variant, counts in right.items()]
        write({"what": "trainings", "network": network, "dataset": name, "images": 2_000}, rows)
    for network in training.RELEASED_EPOCHS:
        rows = [{"undefended": 1.0, "all": 2.0, "without": 1.8 + 0.01 * k} for k in range(11)]
        write({"what": "times", "network": network, "dataset": "MNIST", "images": 1_000}, rows)
    for name in data.DATASETS:
        plain = {"taps": "released", "centroids": "first", "alpha": "published", "right": [0, 0, 0]}
        rows = [
            {"centroids": "none", "right": [0, 0, 0]},
            plain | {"gained": [0, 300, 0], "lost": [0, 100, 0]},
            plain | {"taps": "paper", "gained": [0, 9, 0], "lost": [0, 9, 0]},
            plain | {"alpha": "0.1", "gained": [0, 9, 0], "lost": [0, 9, 0]},
        ]
        write({"what": "draws", "network": "VisionTransformer", "dataset": name, "images": 10_000}, rows)
    found = future_work.estimates()
    asked = claims.asked("future_work")
    assert set(found) == asked
    assert all(claims.Estimate(**estimate) for estimate in found.values())
    s = np.arange(10)
    half = stats.t.ppf(0.975, 9) * np.std(s / 2000, ddof=1) / 10**0.5
    change = found["LeNet5/MNIST/tuned_alpha/change/eps=0.1"]
    assert change["value"] == pytest.approx(0.05 + 4.5 / 2000)
    assert change["high"] - change["value"] == pytest.approx(half)
    assert (change["seeds"], change["n"]) == (10, 2_000)
    assert found["FullyConnected/MNIST/clean_alpha/gap_left/eps=0"]["value"] == pytest.approx(200 / 1_000)
    assert found["LeNet5/FashionMNIST/synthetic_centroids/change/eps=0.1"]["value"] == pytest.approx(-0.025)
    kept = found["FullyConnected/FashionMNIST/fewer_layers/gain_kept/eps=0.1"]
    assert kept["value"] == pytest.approx((100 + 50 + 22.5) / (200 + 45))  # the mean over six taps of a size
    assert found["LeNet5/MNIST/fewer_layers/gain_kept/eps=0.1"]["value"] == pytest.approx((100 + 22.5) / (200 + 45))
    assert found["LeNet5/MNIST/fewer_layers/gain/eps=0.1"]["value"] == pytest.approx((200 + 45) / 2_000)
    assert found["LeNet5/fewer_layers/time_change"]["value"] == pytest.approx(1.85 / 2 - 1)
    gain = found["VisionTransformer/MNIST/gain/eps=0.1"]
    assert gain["units"] == 1  # one network, so "partly" at most
    assert (gain["value"], gain["low"], gain["high"]) == pytest.approx(intervals.paired(300, 100, 10_000))
    assert all((house / e["record"]).is_file() for e in found.values())


def test_of_two_profiles_the_one_with_more_images_counts(house):
    for images in (2_000, 10_000):
        rows = [{"seed": 0, "variant": "plain", "right": [images // 2] * 5}]
        write({"what": "trainings", "network": "LeNet5", "dataset": "MNIST", "images": images}, rows)
    rows = future_work.recorded("trainings")
    assert rows["images"].tolist() == [10_000]
    assert future_work.accuracies(rows).to_numpy().tolist() == [[0.5] * 5]
