"""Other defences side by side: what is attacked is the defence itself; the arsenal counted by hand; bounds are met."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from fairlib import attacks, complexity, data, training
from fairlib.baselines import NearestCentroid
from fairlib.book.experiments import other_defenses as other
from fairlib.book.experiments import shared
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.fixture
def defended(model):
    return {
        ties: CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"), ties=ties)
        for ties in ("lowest", "closest")
    }


def test_units_are_the_same_in_both_profiles():
    for profile in ("embedded", "paper"):
        units = other.units(profile)
        assert json.loads(json.dumps(units)) == units == other.units("embedded")
        assert {u["network"] for u in units if u["what"] == "certificates"} == {"FullyConnected"}
    with pytest.raises(ValueError, match="what is 'nothing', expected one of"):
        other.run(what="nothing", network="LeNet5", dataset="MNIST")


def test_the_largest_answer_of_the_votes_is_the_defences_own(defended, digits):
    x, y = digits
    for defense in defended.values():
        target = other.Votes(defense, data.centroids("MNIST"))
        for z in (x, attacks.fgsm(defense.model, x, y, eps=0.1)):
            with torch.no_grad():
                assert torch.equal(target(z).argmax(1), defense.predict(z) % 11)


def test_an_attack_through_the_votes_takes_more_than_one_carried_over(defended, digits):
    x, y = digits
    for defense in defended.values():
        right = defense.predict(x) == y
        target = other.Votes(defense, data.centroids("MNIST"))
        x, y = x[right], y[right]
        carried = attacks.pgd(defense.model, x, y, eps=0.1, step_size=0.02, iterations=10)
        through = attacks.pgd(target, x, y, eps=0.1, step_size=0.02, iterations=10)
        assert (defense.predict(through) == y).sum() < (defense.predict(carried) == y).sum()
        x, y = digits


def test_the_worst_case_is_that_of_each_image(model, digits):
    """Of a network without a gradient of its own to hide: alone, its survivors are those of each attack at once."""
    x, y = (part[:60] for part in digits)
    answers = partial(shared.answers, model)
    right = answers(x) == y
    left, fooled = other.worst_case(model, answers, model, x, y, right, 0.05)
    assert left + sum(fooled.values()) == right.sum()
    pgd = attacks.pgd(model, x, y, eps=0.05, step_size=0.01, iterations=20)
    assert left <= (answers(pgd) == y).sum()
    assert other.worst_case(model, answers, model, x, y, right, 0.0)[0] == right.sum()
    assert "adaptive" not in fooled and "adaptive" in other.arsenal(model, 0.1, votes=True)


def test_costs_by_hand(model):
    """The nearest centroid: ten dot products and a norm over the pixels."""
    assert sum(p.numel() for p in NearestCentroid(data.centroids("MNIST")).buffers()) + 784 == 11 * 784
    rows = other.recorded("frontier").xs(type(model).__name__, level="network")
    w = complexity.macs(CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST")))
    assert set(rows.xs("network alone", level="method")["inference"]) == {w["inference"]}
    assert set(rows.xs("centroid defence", level="method")["inference"]) == {w["kept"]}
    pgd = rows.xs("PGD training", level="method")["training"] / w["inference"]
    network = type(model).__name__
    released = 3 * 55_000 * training.RELEASED_EPOCHS[network]
    assert set(pgd) == {released + (3 + 2 * 7) * other.TRAINING_IMAGES[network] * other.EPOCHS[network]}


def test_the_records_count_what_they_say():
    rows = other.recorded("frontier")
    assert rows.index.is_unique and set(rows.index.get_level_values("seed")) == {0, 1, 2}
    for row in rows.itertuples():
        assert row.images >= row.right >= row.attacked[0] >= row.attacked[1]
        assert row.right - row.attacked[1] == sum(row.fooled.values())
    attacked = other.shares("attacked", -1)
    assert (attacked.xs("PGD training", level="method") > attacked.xs("network alone", level="method")).all()


def test_no_certificate_is_refuted_by_an_attack():
    certified, attacked = other.curves("certified"), other.curves("attacked")
    boxed = certified.loc[attacked.index, attacked.columns]
    assert (boxed <= attacked + 0.0021).all(axis=None)  # two images in a thousand for distances at their threshold
    assert (certified.diff(axis=1).iloc[:, 1:].fillna(0) <= 0).all(axis=None)
    at = list(other.BOXES).index(other.TRAINED_AT)
    trained = boxed.xs("interval training", level="method")[at]
    assert (trained > 0.3).all() and (boxed.xs("as released", level="method")[at] == 0).all()
    smoothed = certified.xs("smoothed, trained with noise", level="method")
    assert (smoothed.loc[:, np.array(other.RADII) > other.SIGMA * 2.71] == 0).all(
        axis=None
    )  # what so many draws can show
    assert other.RADII[-1] > other.SIGMA * 2.71
