"""Individual fairness of the defence: each look is recounted by hand; a map that is known to be unfair is found so."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from fairlib import attacks, data, evaluation, fairness, runtime, training
from fairlib.book.experiments import individually_fair as fair
from fairlib.book.experiments import readings
from fairlib.defenses import NOBODY, CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")
N = 80


@pytest.fixture(scope="module")
def seen(model):
    """The rows of one training on a few images, and what they are counted on."""
    network = type(model).__name__
    x, y = evaluation.draw(*data.load("MNIST", "test"), N, seed=3)
    rows = list(fair.of_training(model, network, "MNIST", x, y))
    assert json.loads(json.dumps(rows)) == rows
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    return pd.DataFrame(rows), defense, x, y


def look(seen, name: str, **where) -> dict:
    rows = seen[0].query("look == @name").dropna(axis=1, how="all")
    for key, value in where.items():
        rows = rows[rows[key] == value]
    (row,) = rows.to_dict("records")
    return row


def test_units_are_ten_trainings_and_one_hardened_network():
    for profile in ("embedded", "paper"):
        units = fair.units(profile)
        assert json.loads(json.dumps(units)) == units and len(units) == 8
    with pytest.raises(ValueError, match="profile is 'quick', expected one of: embedded, paper"):
        fair.units("quick")
    with pytest.raises(ValueError, match="what is 'nothing', expected one of"):
        fair.run(what="nothing", network="LeNet5", dataset="MNIST", images=5)


def test_no_row_hides_what_its_unit_says(seen):
    assert not set(seen[0].columns) & {"what", "network", "dataset", "images", "seed"}


def test_answers_are_counted_class_by_class(seen):
    _, defense, x, y = seen
    x_adv = attacks.fgsm(defense.model, x, y, eps=0.1)
    counts = np.array(look(seen, "confusion", eps=0.1, method="defended")["counts"])
    given = defense.predict(x_adv)
    assert counts[3, 7] == ((y == 3) & (given == 7)).sum()
    assert counts[:, 10].sum() == (given == NOBODY).sum()
    assert counts[:, :10].trace() == (given == y).sum()
    with torch.no_grad():
        alone = defense.model(x).argmax(1)
    assert np.trace(look(seen, "confusion", eps=0.0, method="defenseless")["counts"]) == (alone == y).sum()
    pixels = (
        torch.nn.functional.cosine_similarity(x.flatten(1)[:, None], data.centroids("MNIST").flatten(1)[None], dim=2)
    ).argmax(1)
    assert np.trace(look(seen, "confusion", eps=0.0, method="nearest centroid")["counts"]) == (pixels == y).sum()


def test_the_papers_condition_image_by_image(seen):
    _, defense, x, y = seen
    row = look(seen, "condition", eps=0.0)
    D, given = defense.distances(x)[:, :, 0], defense.predict(x)
    own = [[bool((D[:, i, k] <= defense.alpha[k]).all()) for k in range(10)] for i in range(N)]
    assert row["true"] == sum(own[i][y[i]] for i in range(N))
    assert row["returned"] == sum(given[i] != NOBODY and own[i][given[i]] for i in range(N))
    assert row["classes"] == sum(map(sum, own)) and row["several"] == sum(sum(one) > 1 for one in own)


def test_classes_numbered_backwards_are_ties_to_the_highest_number(seen):
    _, defense, x, y = seen
    row = look(seen, "renumbered", eps=0.0)
    highest = CentroidDefense(defense.model, data.centroids("MNIST"), data.alphas("MNIST"), ties="highest").predict(x)
    before = defense.predict(x)
    assert row["changed"] == (before != highest).sum() > N / 2
    assert row["won"] == [int(((highest == y) & (before != y) & (y == k)).sum()) for k in range(10)]
    assert sum(row["won"]) - sum(row["lost"]) == (highest == y).sum() - (before == y).sum()


def test_votes_are_the_tally_and_nobodys(seen):
    _, defense, x, _ = seen
    shares = fair.votes(defense, x)
    taps = len(defense.taps)
    nobody = (defense.distances(x)[:, :, 0] > defense.alpha).all(2).sum(0)
    tally = torch.cat([defense.tally(x), nobody[:, None]], 1)
    torch.testing.assert_close(shares.float(), tally / tally.sum(1, keepdim=True))
    assert (tally.sum(1) >= taps).all()
    strict = CentroidDefense(defense.model, data.centroids("MNIST"), [0.0] * 10)
    assert fair.votes(strict, x)[:, 10].tolist() == [1.0] * N


def test_pairs_are_counted_by_hand(seen):
    _, defense, x, y = seen
    noise = attacks.random_sign(defense.model, x, y, eps=0.1, generator=runtime.generator(0))
    changed = defense.predict(noise) != defense.predict(x)
    row = look(seen, "pairs", pairs="noise", method="defended", answer="class")
    d = (noise - x).square().mean((1, 2, 3)).sqrt()
    assert row["D"] == pytest.approx(changed.float().mean().item())
    assert row["pixels"] == [int((changed & (c * d < 1)).sum()) for c in fair.SCALES]
    soft = look(seen, "pairs", pairs="any two", method="defended", answer="shares")
    D = (fair.votes(defense, x) - fair.votes(defense, x.roll(1, 0))).abs().sum(1) / 2
    assert soft["D"] == pytest.approx(D.mean().item(), abs=1e-5)
    layer = fair.LAYER[type(defense.model).__name__]
    with torch.no_grad():
        a, b = (dict(defense.model.layers(z))[layer].flatten(1).double() for z in (x, x.roll(1, 0)))
    angle = torch.cosine_similarity(a, b).clamp(-1, 1).arccos() / torch.pi
    assert soft["layer"] == [int((c * angle < D).sum()) for c in fair.SCALES]
    assert soft["d layer"] == pytest.approx(angle.mean().item(), abs=1e-5)


def test_neighbours_are_of_one_class_and_each_is_one_once():
    y = torch.tensor([1, 0, 1, 2, 0, 1])
    partner = fair.neighbours(y)
    assert (y[partner] == y).all() and sorted(partner.tolist()) == list(range(6))
    assert (partner == torch.arange(6)).tolist() == [False, False, False, True, False, False]


def test_a_map_that_jumps_is_found_unfair_and_one_that_says_nothing_fair(model, digits):
    """Dark or bright, by the mean pixel: what straddles the threshold is known; a constant violates nothing."""
    x, y = digits
    bright = lambda z: (z.mean((1, 2, 3)) > 0.13).long()  # noqa: E731
    methods = {
        ("jumps", "class"): fair.certain(bright, 3),
        ("constant", "class"): fair.certain(lambda z: torch.zeros(len(z), dtype=torch.int64), 3),
    }
    rows = pd.DataFrame(fair.pairs(methods, fair.Apart(model, model.released_taps[-2]), x, y, x))
    table = rows.set_index(["pairs", "method"])
    straddling = (bright(x) != bright(x.roll(1, 0))).sum()
    assert table.loc[("any two", "jumps"), "pixels"][0] == straddling > 10
    assert all(sum(counts) == 0 for counts in table.xs("constant", level="method")["pixels"])
    assert table.loc[("fgsm", "jumps"), "D"] == 0  # both of a pair are one image here


def test_adversarial_training_takes_the_step_of_clean_and_attacked_images(monkeypatch, digits):
    """One batch: theta - lr * grad of the mean loss over the batch and the batch under FGSM on theta."""
    x, y = (part[: fair.BATCH_SIZE] for part in digits)
    monkeypatch.setattr(data, "load", lambda name, split: (x, y))
    monkeypatch.setattr(data, "train_validation", lambda x, y, seed: (x, y))
    monkeypatch.setitem(fair.EPOCHS, "FullyConnected", 1)
    model = fair.adversarial_training("FullyConnected", "MNIST", seed=2)
    start = training.initialised("FullyConnected", seed=2).eval()
    both = torch.cat([x, attacks.fgsm(start, x, y, eps=fair.EPS)])
    loss = torch.nn.functional.cross_entropy(start(both), y.repeat(2))
    steps = torch.autograd.grad(loss, list(start.parameters()))
    for moved, weight, step in zip(model.parameters(), start.parameters(), steps, strict=True):
        torch.testing.assert_close(moved, weight - fair.LR * step)
    assert not model.training


def test_the_hardened_networks_of_the_records_withstand_more():
    right = fair.by_class()["recall"].groupby(level=["network", "dataset", "eps", "method"]).mean()
    attacked = right.xs(fair.EPS, level="eps")
    assert (attacked.xs(fair.HARDENED, level="method") > attacked.xs("defenseless", level="method") + 0.2).all()


def test_what_the_records_say_agrees_with_the_other_chapters():
    """The same images of the same trainings: one quantity, one value."""
    found, expected = fair.counts("condition"), readings.counts("everywhere")["count"]
    by_class = readings.counts("by class")
    for eps in (0.0, fair.EPS):
        at = readings.EPS.index(eps)
        mine = found[found["eps"] == eps]["returned"]
        assert mine.tolist() == [row[at] for row in expected.loc[mine.index]]
        mine = fair.counts("confusion").query("method == 'defended' and eps == @eps")["counts"]
        assert [np.diagonal(np.array(c)).tolist() for c in mine] == [
            r[at] for r in by_class.loc[mine.index, "defended"]
        ]


def test_curves_and_gaps_come_from_the_counts():
    curves = fair.curves("pixels")
    assert curves.index.is_unique and (curves.diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
    certain = curves.xs("class", level="answer")[0.25]
    pairs = fair.counts("pairs").query("answer == 'class'").set_index(["pairs", "method"], append=True)["D"]
    np.testing.assert_allclose(certain.loc[pairs.index], pairs, atol=1e-6)
    key = ("LeNet5", "MNIST", 4, 0.1, "defended")
    recall = fair.by_class().loc[key, "recall"]
    row = fair.gaps().loc[key]
    assert row["gap"] == pytest.approx(recall.max() - recall.min()) and row["worst"] == recall.min()
    assert 0 < row["gap by chance"] < row["gap by chance, 97.5 %"] < 0.3


def test_a_single_training_has_no_interval():
    assert fair.summary(pd.Series([0.4])) == {"value": 0.4, "low": 0.4, "high": 0.4}
    assert fair.summary(pd.Series([0.4, 0.5]))["low"] < 0.4
    assert fairness.violations([1.0], [0.5], [1]).tolist() == [1.0]
