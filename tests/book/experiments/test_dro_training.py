"""What training on the worst case costs: the rival training step by step, the memory counter, hand-made records."""

import copy
import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fairlib import attacks, dro, runtime
from fairlib.book import claims, units
from fairlib.book.experiments import dro_training, fairer
from fairlib.dro import algorithm2, algorithm3


@pytest.fixture
def quick(monkeypatch):
    """PGD in one step, few images."""
    attack = partial(attacks.pgd, eps=0.05, step_size=0.05, iterations=1)
    for arm in dro_training.TIMED:
        monkeypatch.setitem(fairer.ARMS, arm, lambda generator: attack)
    monkeypatch.setattr(fairer, "IMAGES", 300)
    for name in ("STEP_SEEDS", "RUNS", "TOGETHER"):
        monkeypatch.setattr(dro_training, name, 2)


def step(theta, x, y, alpha):
    loss = F.cross_entropy(theta(x), y)
    with torch.no_grad():
        for p, g in zip(theta.parameters(), torch.autograd.grad(loss, list(theta.parameters())), strict=True):
            p -= alpha * g


def test_a_full_training_alternates_and_works_as_hard(start, digits, monkeypatch):
    """Phases of N steps' images and N attacks on the model as it is by then; as many images as Algorithms 2 and 3."""
    monkeypatch.setattr(dro_training, "BATCH", 1)
    monkeypatch.setattr(fairer, "BATCH", 1)
    x, y = (part[:8] for part in digits)
    log = []

    class Watched(type(start)):
        def forward(self, x):
            log.append(("looked at", x.detach().clone()))
            return super().forward(x)

    model = copy.deepcopy(start)
    model.__class__ = Watched

    def attack(theta, x, y):
        log.append(("attacked", x.clone(), copy.deepcopy(theta)))
        return (0.9 * x).clamp(0, 1)

    g = runtime.generator(3)
    found = dro_training.volpi(model, x, y, attack=attack, generator=g)
    kinds = [entry[0] for entry in log]
    N, T1, T2 = 8, dro_training.T1, dro_training.T2
    phase = ["looked at"] * N + ["attacked"] * N
    assert kinds == phase * T1 + ["looked at"] * T2 * (T1 + 1) * N
    trained = kinds.count("looked at")
    steps = []
    with monkeypatch.context() as patched:
        for algorithm in (algorithm2, algorithm3):
            patched.setattr(algorithm, "descend", lambda net, x, *args, **options: steps.append(len(x)))
        rob = dro.adversarial_data(start, x, y, attack=lambda m, x, y: x, lr=0.01, generator=g, iterations=T1)
        dro.train(start, rob, lr=0.01, seed=0, rounds=T2)
    assert sum(steps) == trained
    # Replayed from what it looked at, with labels known by image, it ends at the same weights.
    label = {image.numpy().tobytes(): int(c) for image, c in zip(x, y, strict=True)}
    for entry in log:
        if entry[0] == "attacked":
            label[(0.9 * entry[1]).clamp(0, 1)[0].numpy().tobytes()] = label[entry[1][0].numpy().tobytes()]
    theta = copy.deepcopy(start)
    for entry in log:
        if entry[0] == "looked at":
            step(theta, entry[1], torch.tensor([label[entry[1][0].numpy().tobytes()]]), dro_training.ALPHA)
        else:
            for p, q in zip(entry[2].parameters(), theta.parameters(), strict=True):
                torch.testing.assert_close(p, q)
    for p, q in zip(found.parameters(), theta.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    # Attacks of earlier phases are trained on and attacked again.
    attacked = [entry[1][0].numpy().tobytes() for entry in log if entry[0] == "attacked"]
    assert set(attacked) - {image.numpy().tobytes() for image in x}


def test_adversarial_training_trains_on_nothing_but_attacks(start, digits, monkeypatch):
    monkeypatch.setattr(dro_training, "T1", 1)
    monkeypatch.setattr(dro_training, "BATCH", 4)
    x, y = (part[:8] for part in digits)
    attack = partial(attacks.fgsm, eps=0.1)
    found = dro_training.madry(start, x, y, attack=attack, seed=5)
    theta = copy.deepcopy(start)
    for batch in torch.randperm(8, generator=runtime.generator(5)).split(4):
        step(theta, attack(theta, x[batch], y[batch]), y[batch], dro_training.ALPHA)
    for p, q in zip(found.parameters(), theta.parameters(), strict=True):
        torch.testing.assert_close(p, q)


# --- Memory. ----------------------------------------------------------------------------------------------------------

KB = 1_024


def zeros(kilobytes: int) -> torch.Tensor:
    return torch.zeros(kilobytes * KB, dtype=torch.uint8)


def test_the_peak_is_that_of_what_lives_at_once(tmp_path):
    outside = zeros(50)

    def one_after_the_other():
        for _ in range(3):
            zeros(10)

    def all_at_once():
        kept = [zeros(10) for _ in range(3)]
        del kept
        zeros(20)

    def views_and_changes_in_place():
        a = zeros(10)
        a.view(KB, 10).mul_(2)[:3].add_(1)
        outside.add_(1)

    def from_a_file():
        mapped = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (100 * KB,))
        torch.from_numpy(mapped)[: 10 * KB] = 1

    peaks = {call: dro_training.peak(call) for call in (one_after_the_other, all_at_once, views_and_changes_in_place)}
    assert peaks == {one_after_the_other: 10 * KB, all_at_once: 30 * KB, views_and_changes_in_place: 10 * KB}
    assert dro_training.peak(from_a_file) < KB


def test_what_autograd_keeps_counts_until_it_is_used():
    w = torch.ones(10 * KB, requires_grad=True)  # 40 KB

    def forward_and_backward():
        a = w * 2  # kept by the next line
        (a * a).sum().backward()

    # a, a * a; then a and the gradients of a and of w, before they are added up.
    assert 80 * KB <= dro_training.peak(forward_and_backward) <= 170 * KB
    assert dro_training.peak(lambda: w.detach() * 2) == 40 * KB


def test_in_a_file_the_data_set_takes_no_memory(start, digits, quick, monkeypatch):
    def used(T1):
        monkeypatch.setattr(dro_training, "T1", T1)
        rows = dro_training.memory(start, digits[0][:64], digits[1][:64], 0)
        return {row["way"]: row["bytes"] for row in rows}

    once, four = used(1), used(4)
    images = digits[0][:64].nbytes
    assert four["in memory"] - once["in memory"] == pytest.approx(3 * images, rel=0.05)
    assert four["in a file"] - once["in a file"] < 0.05 * images  # labels and weights
    assert four["adversarial"] == once["adversarial"] > images


# --- Runs. ------------------------------------------------------------------------------------------------------------


def test_outcome_tells_divergence_from_other_errors(start, monkeypatch):
    from fairlib import geography

    test = geography.world("test", 50, seed=0)

    def fails(error):
        raise error

    assert dro_training.outcome(partial(fails, dro.Diverged("lost")), test) is None
    with pytest.raises(ValueError, match="bad input"):
        dro_training.outcome(partial(fails, ValueError("bad input")), test)
    with torch.no_grad():
        expected = (start(test.x).argmax(1) == test.y).float().mean().item()
    assert dro_training.outcome(lambda: start, test) == pytest.approx(expected)


def test_units_run(quick):
    rows = {
        what: dro_training.run(what=what, images=24, seed=0)["rows"] for what in ("steps", "printed", "times", "full")
    }
    steps = pd.DataFrame(rows["steps"])
    assert len(steps) == len(dro.SCALINGS) * len(dro_training.ALPHAS) * 2
    by = steps.groupby(["scaling", "alpha"])["accuracy"]
    assert (by.count()["normalised"][[1e-6, 1e-5, 1e-4]] == 2).all()  # small steps are finite
    assert by.mean()["normalised", 1e-6] > 0.8 and by.mean()["normalised", 1e-3] > 0.8
    assert not by.mean()["raw", 0.1] > 0.5
    assert [row["run"] for row in rows["printed"]] == [0, 1]
    assert [row["arm"] for row in rows["times"]] == ["pgd", "ours"]
    assert all(row[name] > 0 for row in rows["times"] for name in ("algorithm2", "algorithm3", "together", "full"))
    assert len(rows["full"][0]["right"]) == 41 and 0 < sum(rows["full"][0]["right"]) <= 300


@pytest.mark.parametrize("profile", ["embedded", "paper"])
def test_units_name_their_work_once(profile):
    listed = units.of("dro_training", profile)
    assert len({unit.name for unit in listed}) == len(listed)
    with pytest.raises(ValueError, match="what is 'dreams', expected one of: steps, printed"):
        dro_training.run(what="dreams", images=1, seed=0)


def test_the_law_is_the_one_that_is_sampled():
    P = dro.sampling_weights(50, 3)
    drawn = torch.bincount(dro.sample(P, 40_000, runtime.generator(0)) // 50, minlength=4)
    law = dro_training.law(50, 3)
    assert stats.chisquare(drawn.numpy(), 40_000 * law).pvalue > 0.01
    assert law.sum() == pytest.approx(1)
    N = 50
    total = N + 3 * N * (3 * N + 1) / 2
    assert law[1] == pytest.approx(N * (N + 1) / 2 / total)
    assert law[3] == pytest.approx((2 * N * N + N * (N + 1) / 2) / total)


# --- From the records. ------------------------------------------------------------------------------------------------


def write(arguments: dict, rows: list[dict]) -> None:
    unit = units.Unit("dro_training", arguments)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(json.dumps({"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}))


def test_estimates_from_hand_made_records(house, monkeypatch):
    listed = [unit.arguments for unit in units.of("dro_training", "embedded")]
    accuracies = [None, 0.1, None, None]
    for unit in listed:
        s = unit["seed"]
        seconds = {"algorithm2": 20.0 + s, "algorithm3": 2.0, "together": 1.0, "full": 22.0 + s}
        rows = {
            "steps": [{"scaling": "raw", "alpha": 0.1, "run": i, "accuracy": a} for i, a in enumerate(accuracies)],
            "printed": [{"run": i, "accuracy": a} for i, a in enumerate(accuracies)],
            "times": [
                {"arm": arm} | {k: v * (arm == "ours" or 3) for k, v in seconds.items()} for arm in ("pgd", "ours")
            ],
            "memory": [
                {"way": w, "bytes": b}
                for w, b in {"adversarial": 1_000, "in a file": 1_050, "in memory": 9_000}.items()
            ],
            "full": [
                {
                    "right": (0.5 * fairer.held_out()["n"] * (1 + 0.001 * fairer.held_out()["log_gdp"]))
                    .astype(int)
                    .tolist()
                }
            ],
        }
        write(unit, rows[unit["what"]])
    sets = [0.4, 0.42, 0.44]
    models = pd.DataFrame({"arm": "pgd", "seed": [0, 0, 1, 2], "accuracy": [0.39, 0.41, *sets[1:]], "slope": 0.01})
    monkeypatch.setattr(fairer, "slopes", lambda: models)
    found = dro_training.estimates()
    waiting = {f"robustness/{what}_before_minus_after" for what in ("success", "surrogate")}
    assert claims.asked("dro_training") - set(found) == waiting and set(found) < claims.asked("dro_training")
    full = sum(rows["full"][0]["right"]) / fairer.IMAGES
    lost = found["accuracy/full_minus_ours"]
    half = stats.t.ppf(0.975, 2) * np.std(sets, ddof=1) / 3**0.5  # the full trainings here are all alike
    assert (lost["value"], lost["high"] - lost["value"]) == pytest.approx((full - 0.42, half))
    assert found["memory_ratio/in_memory_over_adversarial"]["value"] == pytest.approx(9)
    assert all(claims.Estimate(**estimate) for estimate in found.values())
    share = found["raw_steps/share_finite"]
    assert (share["value"], share["low"], share["high"]) == pytest.approx(
        (0.25, *proportion_confint(1, 4, method="wilson"))
    )
    s = np.arange(dro_training.REPETITIONS)
    ratio = 50 * (22 + s) / (20 + s + 100)
    time = found["time_ratio/volpi_over_ours"]
    assert time["value"] == pytest.approx(ratio.mean())
    assert (time["low"], time["high"]) == pytest.approx(
        stats.t.interval(0.95, len(s) - 1, ratio.mean(), stats.sem(ratio))
    )
    assert found["time_ratio/algorithm2_over_algorithm3"]["value"] == pytest.approx(((20 + s) / 2).mean())
    assert found["memory_ratio/algorithm2_over_adversarial"]["value"] == pytest.approx(1.05)
    law = dro_training.law(2_000, 3)
    assert found["weights/last_minus_first"]["value"] == pytest.approx(law[3] - law[1])
    assert (
        len(dro_training.slopes()) == dro_training.SIZES["embedded"]["trainings"] and (dro_training.slopes() > 0).all()
    )
    (row,) = dro_training.outcomes().to_dict("records")
    assert (row["runs"], row["finite"], row["lowest"], row["highest"]) == (4, 1, 0.1, 0.1)


def test_no_finite_run_is_no_gap(house):
    (unit,) = [u.arguments for u in units.of("dro_training", "embedded") if u.arguments["what"] == "printed"]
    write(unit, [{"run": i, "accuracy": None} for i in range(4)])
    found = dro_training.finite()
    assert (found["kept"], found["runs"], found["value"], found["low"]) == (0, 4, 0, pytest.approx(0))
    assert found["high"] == pytest.approx(proportion_confint(0, 4, method="wilson")[1])
