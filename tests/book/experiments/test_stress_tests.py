"""The stress tests on a few images: what must hold between attacks; estimates from hand-made records."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from fairlib import attacks, data, evaluation, training
from fairlib.book import claims, units
from fairlib.book.experiments import stress_tests
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")
ROOT = Path(__file__).resolve().parents[3]
N = 12


def test_units_are_the_four_networks_three_times():
    for profile in ("embedded", "paper"):
        units = stress_tests.units(profile)
        assert json.loads(json.dumps(units)) == units and len(units) == 12
        assert {(u["network"], u["dataset"]) for u in units} == set(stress_tests.PAIRS)
    with pytest.raises(ValueError, match="profile is 'quick', expected one of: embedded, paper"):
        stress_tests.units("quick")
    with pytest.raises(ValueError, match="what is 'all', expected one of: trainings, curve, checks"):
        stress_tests.run(what="all", network="LeNet5", dataset="MNIST", images=1)


# --- The worst case over attacks. -------------------------------------------------------------------------------------


def worst_case(withstanding) -> None:
    """Image i holds the number i; an attack adds 100 to the images that it fools, if it is given their labels."""
    x, y = torch.arange(8.0), torch.arange(8)
    tried = []

    def attack_on(*fooled):
        def attack(x, y):
            assert torch.equal(x.long(), y), "each image comes with its own label"
            tried.append(y.tolist())
            return x + 100 * torch.isin(y, torch.tensor(fooled))

        return attack

    def predict(x):
        return x.long()

    before = torch.tensor([True] * 7 + [False])
    right = withstanding(predict, x, y, [attack_on(0, 2), attack_on(2, 5), attack_on()], before)
    assert right.tolist() == [False, True, False, True, True, False, True, False]
    assert before.sum() == 7, "the caller's tensor is its own"
    assert tried == [[0, 1, 2, 3, 4, 5, 6], [1, 3, 4, 5, 6], [1, 3, 4, 6]]


def test_withstanding():
    worst_case(stress_tests.withstanding)
    all_gone = torch.zeros(3, dtype=torch.bool)
    assert not stress_tests.withstanding(len, torch.zeros(3), torch.zeros(3), [len], all_gone).any()


def last_attack_only(predict, x, y, arsenal, right):
    return right & (predict(arsenal[-1](x, y)) == y)


def first_attack_only(predict, x, y, arsenal, right):
    return stress_tests.withstanding(predict, x, y, arsenal[:1], right)


def any_attack_withstood(predict, x, y, arsenal, right):
    return right & torch.stack([predict(attack(x, y)) == y for attack in arsenal]).any(0)


@pytest.mark.parametrize("mutant", [last_attack_only, first_attack_only, any_attack_withstood])
def test_a_mutant_is_found(mutant):
    with pytest.raises(AssertionError):
        worst_case(mutant)


# --- The rows. --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counted() -> pd.Series:
    """Right answers by eps, attack and method, of one training on a few images."""
    shipped, stranger = (training.shipped(network, "MNIST") for network in ("FullyConnected", "LeNet5"))
    rows = stress_tests.under_every_attack(shipped, shipped, stranger, "MNIST", N, seed=3)
    assert json.loads(json.dumps(rows)) == rows
    table = pd.DataFrame(rows).set_index(["eps", "attack", "method"])["right"].sort_index()
    assert table.index.is_unique
    return table


def test_the_rows_of_a_training(counted):
    model = training.shipped("FullyConnected", "MNIST")
    x, y = evaluation.draw(*data.load("MNIST", "test"), N, seed=3)
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    x_adv = attacks.fgsm(model, x, y, eps=0.2)
    assert counted[0.0, "none", "defended"] == (defense.predict(x) == y).sum()
    assert counted[0.2, "fgsm", "defended"] == (defense.predict(x_adv) == y).sum()
    with torch.no_grad():
        assert counted[0.2, "fgsm", "defenseless"] == (model(x_adv).argmax(1) == y).sum()
    methods = {"defenseless", "defended", "random ties", "nearest centroid", "smallest mean distance", "binarised"}
    assert set(counted[0.0, "none"].index) == set(counted[0.1, "fgsm"].index) == methods
    assert set(counted[0.1, "strongest"].index) == methods - {"random ties"}
    transfer = {f"{attack}, another {of}" for attack in ("fgsm", "pgd") for of in ("training", "network")}
    single = {"fgsm", "pgd", "noise", "gaussian", "strongest"}
    assert set(counted[0.2].index.get_level_values("attack")) == single | transfer
    seen = stress_tests.coarse(x, 14)
    assert counted[0.0, "resolution 14", "defended"] == (defense.predict(seen) == y).sum()


def test_the_strongest_is_as_strong_as_any(counted):
    for method in ("defenseless", "defended"):
        for eps in (0.1, 0.2):
            others = [counted[eps, attack, method] for attack in ("fgsm", "pgd")]
            assert counted[eps, "strongest", method] <= min(others)
        assert counted[0.2, "strongest", method] <= counted[0.1, "strongest", method] <= counted[0.0, "none", method]
    assert counted[0.1, "strongest", "defended"] < counted[0.1, "fgsm", "defended"]
    # The "other training" of this test is the network itself.
    assert counted[0.1, "fgsm, another training", "defended"] == counted[0.1, "fgsm", "defended"]
    assert counted[0.1, "fgsm, another network", "defenseless"] > counted[0.1, "fgsm", "defenseless"]


def test_the_curve_falls():
    rows = stress_tests.curve(training.shipped("FullyConnected", "MNIST"), "MNIST", N)
    table = pd.DataFrame(rows).pivot_table("right", index="eps", columns=["attack", "method"])
    assert table.index.tolist() == [0.0, *stress_tests.CURVE_EPS]
    for method in ("defenseless", "defended"):
        assert table["strongest", method].is_monotonic_decreasing
        assert (table["strongest", method] <= table["fgsm", method]).all()
        assert table["strongest", method].iloc[-1] == 0, "with the whole grey scale at hand no image is safe"


def test_the_checks_are_ordered():
    rows = pd.DataFrame(stress_tests.masking(training.shipped("FullyConnected", "MNIST"), "MNIST", N))
    binarised = rows.query("method == 'binarised'").set_index(["attack", "setting"])["right"]
    assert binarised["all with a gradient", ""] <= binarised["none", ""]
    for queries in map(str, stress_tests.QUERIES):
        both = min(binarised["square", queries], binarised["all with a gradient", ""])
        assert binarised["and square", queries] <= both
    right = rows.query("method == 'defended'").set_index(["attack", "setting"])["right"]
    assert right.index.is_unique
    assert right["steps"].is_monotonic_decreasing and right["restarts"].is_monotonic_decreasing
    assert right["steps", "200"] < right["none", ""]
    assert right["all on the defence", ""] <= right["temperature", "all"]
    for queries in map(str, stress_tests.QUERIES):
        assert right["and square", queries] <= min(right["square", queries], right["all on the defence", ""])
    assert right["zero gradient", "1.0"] == 0


def test_where_there_is_no_gradient():
    defense = CentroidDefense(
        training.shipped("FullyConnected", "MNIST"), data.centroids("MNIST"), data.alphas("MNIST")
    )
    x, y = (part[:N] for part in data.load("MNIST", "test"))
    assert stress_tests.without_gradient(defense, x, y, [1e-6]).all(), "so cold that every vote is 0 or 1"
    assert not stress_tests.without_gradient(defense, x, y, [1.0]).any()


def test_coarse_is_the_mean_of_areas():
    """A camera of half the pixels sees the means of squares of four, and keeps what is the same all over."""
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    small = x.unflatten(2, (14, 2)).unflatten(4, (14, 2)).mean((3, 5))
    seen = stress_tests.coarse(x, 14)
    assert seen.shape == x.shape and seen.var() < x.var()
    corners = seen[..., ::27, ::27]  # which lie beyond the first and the last centre
    torch.testing.assert_close(corners, small[..., ::13, ::13])
    torch.testing.assert_close(stress_tests.coarse(torch.full_like(x, 0.3), 7), torch.full_like(x, 0.3))


def test_gaussian_noise_has_the_size_that_it_says():
    x = torch.full((40, 1, 28, 28), 0.5)
    noise = stress_tests.gaussian(x, 0.1, seed=1) - x
    assert noise.std() == pytest.approx(0.1, rel=0.02) and abs(noise.mean()) < 0.002
    assert torch.equal(stress_tests.gaussian(x, 0.1, seed=1), stress_tests.gaussian(x, 0.1, seed=1))


def test_pixels_near_the_threshold():
    x, _ = data.load("MNIST", "test")
    assert stress_tests.near_threshold("MNIST", 0.5) == 1
    assert stress_tests.near_threshold("MNIST", 0.1) == pytest.approx(
        ((2 * 255 * x - 255).round().abs() <= 51).double().mean().item()
    )


# --- The estimates. ---------------------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A data folder with hand-made records only: of seed s, 20 + s images of 200 right, and so on."""
    shutil.copy(ROOT / "data" / "SHA256SUMS", tmp_path)
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))

    kinds = ((0.1, "fgsm"), (0.1, "strongest"), (0.2, "noise"), (0.2, "gaussian"), (0.0, "resolution 14"))

    def write(images: int, **right):
        right |= {"gaussian": (150, 60), "resolution 14": (190, 80)}
        rows = [
            {"seed": s, "eps": eps, "attack": attack, "method": method, "right": right[attack][i] + s * (i == 1)}
            for s in range(10)
            for eps, attack in kinds
            for i, method in enumerate(("defenseless", "defended"))
        ]
        for network, name in stress_tests.PAIRS:
            arguments = {"what": "trainings", "network": network, "dataset": name, "images": images}
            unit = units.Unit("stress_tests", arguments)
            unit.path.parent.mkdir(parents=True, exist_ok=True)
            record = {"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}
            unit.path.write_text(json.dumps(record))

    return write


def test_estimates(house):
    house(200, fgsm=(100, 120), strongest=(10, 20), noise=(160, 60))
    found = stress_tests.estimates()
    asked = claims.asked("stress_tests")
    assert set(found) == asked
    adaptive = claims.Estimate(**found["LeNet5/MNIST/strongest/gain/eps=0.1"])
    assert adaptive.value == pytest.approx((20 + 4.5 - 10) / 200), "the same attacker on both sides"
    uneven = claims.Estimate(**found["LeNet5/MNIST/strongest_minus_fgsm/gain/eps=0.1"])
    assert uneven.value == pytest.approx((20 + 4.5 - 100) / 200)
    assert found["LeNet5/MNIST/fgsm_minus_strongest/eps=0.1"]["value"] == pytest.approx((100 - 10) / 200)
    assert found["LeNet5/MNIST/gaussian/gain/sd=0.2"]["value"] == pytest.approx((60 + 4.5 - 150) / 200)
    assert found["LeNet5/MNIST/resolution=14/gain"]["value"] == pytest.approx((80 + 4.5 - 190) / 200)
    sd = math.sqrt(sum((s - 4.5) ** 2 for s in range(10)) / 9) / 200
    assert adaptive.sd == pytest.approx(sd)
    assert adaptive.high - adaptive.value == pytest.approx(2.262157 * sd / math.sqrt(10), rel=1e-5)
    assert (adaptive.n, adaptive.seeds, adaptive.anchor) == (200, 10, "adaptive-attacker")
    assert adaptive.record == "results/stress_tests/what=trainings,network=LeNet5,dataset=MNIST,images=200.json"
    noise = claims.Estimate(**found["FullyConnected/FashionMNIST/noise/gain/eps=0.2"])
    assert noise.value == pytest.approx((60 + 4.5 - 160) / 200)
    verdicts = {
        c.quantity: claims.judge(c, {c.quantity: claims.Estimate(**found[c.quantity])})
        for c in claims.load("pepe")
        if c.quantity and c.quantity.startswith("LeNet5/MNIST/strongest")
    }
    assert list(verdicts.values()) == ["reproduced", "not reproduced"]


def test_the_larger_run_counts(house):
    house(200, fgsm=(100, 120), strongest=(10, 20), noise=(160, 60))
    house(2_000, fgsm=(0, 0), strongest=(0, 1_000), noise=(0, 0))
    adaptive = stress_tests.estimates()["LeNet5/MNIST/strongest/gain/eps=0.1"]
    assert adaptive["n"] == 2_000 and adaptive["value"] == pytest.approx(1_004.5 / 2_000)


def test_without_records_it_says_what_to_run(house):
    with pytest.raises(FileNotFoundError, match=r"no results of stress_tests .* run `make reproduce"):
        stress_tests.estimates()
