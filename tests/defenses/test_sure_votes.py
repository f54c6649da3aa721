"""Bounds of the defence's votes: nothing found in the box lies outside of them, and without a box they are exact."""

import pytest
import torch

from fairlib import attacks, data, runtime, training
from fairlib.defenses import CentroidDefense, certified_votes, distance_bounds

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.fixture(scope="module")
def defense(one_thread):
    model = training.shipped("FullyConnected", "MNIST")
    return CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))


def test_distances_in_the_box_lie_within_their_bounds(defense, digits):
    x, y = (part[:60] for part in digits)
    g = runtime.generator(0)
    for eps in (1e-4, 1e-3, 1e-2, 0.1):
        low, high = distance_bounds(defense, x, eps=eps)
        points = [attacks.fgsm(defense.model, x, y, eps=eps), attacks.adaptive(defense, x, y, eps=eps, iterations=10)]
        points += [attacks.random_sign(defense.model, x, y, eps=eps, generator=g) for _ in range(5)]
        for z in points:
            D = defense.distances(z)[:, :, 0]
            assert (low <= D + 1e-5).all() and (high >= D - 1e-5).all()
        assert (low >= 0).all() and (high <= 1).all()


def test_without_a_box_they_are_the_distances_and_the_answers(defense, digits):
    x, y = digits
    low, high = distance_bounds(defense, x, eps=0.0)
    D = defense.distances(x)[:, :, 0].double()
    torch.testing.assert_close(low, D, atol=1e-4, rtol=0)
    torch.testing.assert_close(high, D, atol=1e-4, rtol=0)
    assert (certified_votes(defense, x, y, eps=0.0) != (defense.predict(x) == y)).sum() <= 1  # a distance at alpha


def test_bounds_tighten_as_the_box_shrinks_in_every_coordinate(defense, digits):
    x, _ = digits
    boxes = [distance_bounds(defense, x[:20], eps=eps) for eps in (1e-4, 1e-5, 1e-6)]
    widths = [(box.high - box.low).max().item() for box in boxes]
    assert widths[0] > widths[1] > widths[2] and widths[2] < 0.01


def test_what_is_certified_no_attack_on_the_defence_moves(defense, digits):
    x, y = digits
    for eps, least in ((1e-4, 10), (1e-3, 0)):
        proven = certified_votes(defense, x, y, eps=eps)
        assert proven.sum() >= least
        x_adv = attacks.adaptive(defense, x, y, eps=eps, iterations=30)
        assert (defense.predict(x_adv) == y)[proven].all()
    assert not certified_votes(defense, x, y, eps=0.1).any()


def test_another_defence_is_refused(defense, digits):
    x, y = digits
    centroids, alpha = data.centroids("MNIST"), data.alphas("MNIST")
    with pytest.raises(ValueError, match="expected 'lowest', the rule that is bounded here"):
        certified_votes(CentroidDefense(defense.model, centroids, alpha, ties="closest"), x, y, eps=0.1)
    with pytest.raises(ValueError, match="the taps 'released' of a network of linear layers"):
        certified_votes(CentroidDefense(defense.model, centroids, alpha, taps="paper"), x, y, eps=0.1)
    with pytest.raises(ValueError, match="expected Linear only"):
        certified_votes(CentroidDefense(training.shipped("LeNet5", "MNIST"), centroids, alpha), x, y, eps=0.1)
