"""The naive gradient against closed forms of tiny networks, sure and unsure; what is counted against literal loops."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import attacks, data, ensemble, training
from fairlib.book import units
from fairlib.book.experiments import ambiguities, fgsm
from fairlib.book.experiments.ambiguities.records import float32_gradient
from fairlib.book.experiments.fgsm import GRID, METHODS, PAIRS, TABLE_EPS, Scaled, naive, naive_gradient
from fairlib.book.experiments.shared import setting
from fairlib.defenses import CentroidDefense

A, C = torch.tensor([1.0, -2.0, 0.5, 3.0]), torch.tensor([-1.0, -0.5, 2.0, 0.25])


class Tiny(nn.Module):
    """Logits a.x + b, c.x and 0, of which the first is the true one: the log-softmax."""

    def __init__(self, b: float) -> None:
        super().__init__()
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        v = x.flatten(1)
        return F.log_softmax(torch.stack([v @ A.to(v) + self.b, v @ C.to(v), 0 * v[:, 0]], 1), 1)


X, Y = torch.tensor([0.4, 0.5, 0.6, 0.5]).view(1, 1, 2, 2), torch.tensor([0])
# The gradient of -log p_0 is (p_0 - 1) a + p_1 c. Where the network is sure, float32 keeps the second term only.
UNSURE, SURE = 5.0, 25.0


def parts(b: float) -> tuple[float, float]:
    """1 - p_0 and p_1 in float64."""
    p = Tiny(b)(X.double()).exp()[0]
    return p[1:].sum().item(), p[1].item()


def is_the_released_codes(attack) -> None:
    """In both regimes: the exact direction where the network is unsure, c's alone where it is sure."""
    for b, direction in ((UNSURE, C * parts(UNSURE)[1] - A * parts(UNSURE)[0]), (SURE, C)):
        moved = [x_adv - X for x_adv in attack(Tiny(b).eval(), X, Y, eps=[0.1, 0.55])]
        torch.testing.assert_close(moved[0].flatten(), 0.1 * direction.sign())
        torch.testing.assert_close(X + moved[1], (X + 0.55 * direction.sign().view_as(X)).clamp(0, 1))


def test_the_naive_gradient_is_that_of_a_closed_form():
    (rest, p1), (_, tiny) = parts(UNSURE), parts(SURE)
    expected = C * p1 - A * rest
    torch.testing.assert_close(naive_gradient(Tiny(UNSURE), X, Y).flatten(), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(naive_gradient(Tiny(SURE), X, Y).flatten(), C * tiny, rtol=1e-5, atol=0)
    assert tiny > 0 and not torch.equal(C.sign(), -A.sign())  # so that the direction is a wrong one, and not zero
    assert not naive_gradient(Tiny(200.0), X, Y).any()  # where p_1 underflows as well
    is_the_released_codes(naive)


def test_nothing_moves_without_a_gradient_and_the_exact_attack_moves_all_the_same():
    (stays,) = naive(Tiny(200.0).eval(), X, Y, eps=[0.1])
    assert torch.equal(stays, X)
    for b in (SURE, 200.0):
        p1 = (C * X.flatten()).sum().sigmoid()
        direction = (p1 * C - A).sign()  # of the margin, log(exp(c.x) + 1) - a.x - b, whatever b is
        found = attacks.fgsm(Tiny(b).eval(), X, Y, eps=0.1)
        torch.testing.assert_close((found - X).flatten(), 0.1 * direction)


def with_margin(model, x, y, *, eps):
    return list(attacks.fgsm_grid(model, x, y, eps=eps))


def downhill(model, x, y, *, eps):
    return fgsm.stepped(x, -naive_gradient(model, x, y), eps)


def unclipped(model, x, y, *, eps):
    return [x + e * naive_gradient(model, x, y).sign() for e in eps]


def along_the_gradient(model, x, y, *, eps):
    g = naive_gradient(model, x, y)
    return [(x + e * g / g.abs().max()).clamp(0, 1) for e in eps]


def in_double(model, x, y, *, eps):
    return fgsm.stepped(x, naive_gradient(model, x.double(), y).float(), eps)


@pytest.mark.parametrize("mutant", [with_margin, downhill, unclipped, along_the_gradient, in_double])
def test_a_mutant_is_found(mutant):
    with pytest.raises(AssertionError):
        is_the_released_codes(mutant)


def test_naive_and_exact_agree_on_images_of_which_the_network_is_unsure(model, digits):
    """Up to pixels whose gradient is all but zero; where p is 1, and there are such images, they do not."""
    x, y = digits
    with torch.no_grad():
        p = model(x).exp()[range(len(y)), y]
    (simple,), (right,) = naive(model, x, y, eps=[0.1]), attacks.fgsm_grid(model, x, y, eps=[0.1])
    differs = (simple != right).flatten(1).double().mean(1)
    assert (p < 0.99).any() and differs[p < 0.99].max() < 0.001
    if isinstance(model, training.NETWORKS["FullyConnected"]):
        assert (p == 1).any() and differs[p == 1].mean() > 0.1


def test_float64_is_the_same_step(model, digits):
    """Two formulas: the margin's gradient and, since float64 can hold 1 - p here, that of -log p."""
    x, y = digits[0].double(), digits[1]
    double = Scaled(model, 1).double().eval()
    try:
        (margins,), (losses,) = (attack(double, x, y, eps=[0.1]) for attack in (fgsm.any_precision, naive))
    finally:
        model.float()  # shared
    assert margins.dtype == torch.float64 and (margins != x).any()
    assert (margins != losses).double().mean() < 1e-5


@pytest.mark.parametrize("scale", [1, 10, 0.01])
def test_scaled_logits_give_the_same_answers_with_another_confidence(model, digits, scale):
    x = digits[0]
    with torch.no_grad():
        found, before = Scaled(model, scale)(x), model(x)
    torch.testing.assert_close(found.double(), F.log_softmax(scale * before.double(), 1), rtol=1e-4, atol=1e-5)
    assert torch.equal(found.argmax(1), before.argmax(1))
    assert scale != 1 or torch.equal(found, before)


@pytest.mark.parametrize(("network", "dataset"), PAIRS)
def test_scales_are_counted(network, dataset):
    rows = json.loads(json.dumps(fgsm.run(what="scales", network=network, dataset=dataset, images=300)))["rows"]
    found = {(row["scale"], row["gradient"]): row for row in rows}
    assert set(found) == {(s, g) for s in fgsm.SCALES for g in ("naive", "exact", "float64")}
    model, (x, y) = training.shipped(network, dataset), (part[:300] for part in data.load(dataset, "test"))
    with torch.no_grad():
        clean = int((model(x).argmax(1) == y).sum())
        logits = list(model.double().layers(x.double()))[-2][1]
    assert [len(row["right"]) for row in rows] == [len(GRID)] * 9
    assert {row["right"][0] for row in rows} == {clean}
    for scale in fgsm.SCALES:
        others = F.softmax(scale * logits, 1)
        others[range(300), y] = 0
        # Half of float32's step above 1 is 6e-8: what stays below it together is lost, or one by one in the sum.
        low, high = int((others.sum(1) < 5e-8).sum()), int((others.amax(1) < 7e-8).sum())
        assert low <= found[scale, "naive"]["certain"] <= high
        differ = [abs(a - b) for a, b in zip(*(found[scale, g]["right"] for g in ("exact", "float64")), strict=True)]
        assert max(differ) <= 1
    assert found[100, "naive"]["flat"] > 0.8 * found[100, "naive"]["certain"] > 0
    assert min(found[100, "naive"]["right"]) >= found[100, "naive"]["flat"] - (300 - clean)
    assert found[100, "exact"]["right"][-1] < found[100, "naive"]["right"][-1] - 100


def test_trainings_are_counted(monkeypatch):
    """Right answers with either gradient, in a literal loop."""
    model = training.shipped("FullyConnected", "MNIST")
    monkeypatch.setattr(ensemble, "released", lambda network, dataset, *, seeds: [model] * len(seeds))
    monkeypatch.setattr(setting, "SEEDS", (0, 1))
    rows = json.loads(json.dumps(fgsm.run(what="trainings", network="FullyConnected", dataset="MNIST", images=200)))
    rows = {(row["seed"], row["gradient"]): row for row in rows["rows"]}
    assert set(rows) == {(s, g) for s in (0, 1) for g in ("naive", "exact")}
    x, y = fgsm.evaluation.draw(*data.load("MNIST", "test"), 200, seed=1)
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    z = x.clone().requires_grad_()
    F.nll_loss(model(z), y, reduction="sum").backward()
    released = [(x + e * z.grad.sign()).clamp(0, 1) for e in TABLE_EPS]
    exact = [attacks.fgsm(model, x, y, eps=e) for e in TABLE_EPS]
    for name, made in {"naive": released, "exact": exact}.items():
        with torch.no_grad():
            plain = [int((model(x_adv).argmax(1) == y).sum()) for x_adv in made]
        assert rows[1, name]["defenseless"] == plain
        assert rows[1, name]["defended"] == [int((defense.predict(x_adv) == y).sum()) for x_adv in made]
    assert rows[1, "naive"]["defenseless"] != rows[1, "exact"]["defenseless"]


def test_units_and_refusals():
    for profile in ("embedded", "paper"):
        assert len(units.of("fgsm", profile)) == 8
    assert len(units.of("fgsm", "embedded", "paper")) == 10  # LeNet's trainings have more images
    with pytest.raises(ValueError, match="profile is 'big'"):
        fgsm.units("big")
    with pytest.raises(ValueError, match="what is 'dreams', expected one of: scales, trainings"):
        fgsm.run(what="dreams", network="LeNet5", dataset="MNIST", images=1)


def write(arguments: dict, rows: list[dict]) -> None:
    units.Unit("fgsm", arguments).write(
        {"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}
    )


def trained(more: int) -> list[dict]:
    """Seed s is right on 10 s images, with the naive gradient on `more` and 2 s (defended: none) images more."""
    rows = []
    for s in range(10):
        exact = {method: [10 * s] * 6 for method in METHODS}
        simple = exact | {"defenseless": [10 * s, *(10 * s + more + 2 * s for _ in range(5))]}
        rows += [{"seed": s, "gradient": "exact"} | exact, {"seed": s, "gradient": "naive"} | simple]
    return rows


def test_what_hand_made_records_say(house):
    where = {"network": "LeNet5", "dataset": "MNIST"}
    write({"what": "trainings", **where, "images": 2_000}, trained(20))
    write({"what": "trainings", **where, "images": 10_000}, trained(50))
    counted = {"certain": 7, "flat": 3, "right": [90, 80, 70, 60, 50, 40, 30]}
    ways = [{"scale": s, "gradient": g} | counted for s in (1, 10) for g in ("naive", "exact", "float64")]
    write({"what": "scales", **where, "images": 10_000}, ways)

    found = fgsm.effects().set_index([*where, "method", "eps"]).sort_index()
    assert len(found) == 3 * 6
    row = found.loc["LeNet5", "MNIST", "defenseless", 0.3]  # of the unit with more images
    assert row["value"] == pytest.approx((50 + 9) / 10_000)
    half = 2.262157 * (2 / 10_000) * (110 / 12) ** 0.5 / 10**0.5
    assert (row["low"], row["high"]) == (pytest.approx(0.0059 - half), pytest.approx(0.0059 + half))
    assert found.loc["LeNet5", "MNIST", "defenseless", 0.0]["value"] == 0
    assert not found.loc["LeNet5", "MNIST", "defended"]["value"].any()

    switch = float32_gradient()
    assert set(switch["variant"]) == {"float32 gradient"} and set(switch["eps"]) == set(ambiguities.EPS)
    curves = fgsm.curves().set_index(["scale", "gradient", "eps"])
    assert len(curves) == 2 * 3 * 7
    assert curves.loc[(10, "naive", 0.1), "accuracy"] == pytest.approx(0.007)
    assert curves.loc[(1, "exact", 0.3), ["right", "n", "certain", "flat"]].tolist() == [30, 10_000, 7, 3]
    assert (curves["low"] < curves["accuracy"]).all() and (curves["accuracy"] < curves["high"]).all()
