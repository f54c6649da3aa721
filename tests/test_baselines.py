"""The plain classifiers against scipy, against a loop over layers, and against cases worked out by hand."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist

from fairlib import data, training
from fairlib.attacks import fgsm, input_gradient
from fairlib.baselines import Binarised, NearestCentroid, SmallestMeanDistance
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.fixture(scope="module")
def centroids():
    return data.centroids("MNIST")


@pytest.fixture(scope="module")
def defense(model, centroids):
    return CentroidDefense(model, centroids, data.alphas("MNIST"))


def answers(classifier, x):
    with torch.no_grad():
        return classifier(x).argmax(1)


def test_nearest_centroid_is_scipys(digits, centroids):
    x, _ = digits
    expected = cdist(x.flatten(1).double().numpy(), centroids.flatten(1).double().numpy(), "cosine").argmin(1)
    assert np.array_equal(answers(NearestCentroid(centroids), x).numpy(), expected)


def test_nearest_centroid_by_hand():
    classifier = NearestCentroid(torch.tensor([[1.0, 0.0], [0.5, 0.5]]).view(2, 1, 1, 2))
    x = torch.tensor([[1.0, 0.3], [1.0, 0.5], [0.2, 0.06], [0.0, 1.0]]).view(4, 1, 1, 2)
    assert answers(classifier, x).tolist() == [0, 1, 0, 1]  # the border is at half the angle: 0.414
    assert (classifier.classes, classifier.shape) == (2, (1, 1, 2))


def test_a_centroid_is_nearest_to_itself_however_bright(centroids):
    assert answers(NearestCentroid(centroids), centroids / 3).tolist() == list(range(10))


def test_smallest_mean_distance_is_the_loop(digits, model, centroids, defense):
    """Torch's own cosine, layer by layer and centroid by centroid."""
    x = digits[0][:20]
    with torch.no_grad():
        seen, kept = dict(model.layers(x)), dict(model.layers(centroids))
    total = torch.zeros(20, 10)
    for tap in model.released_taps:
        for j in range(10):
            cosine = F.cosine_similarity(seen[tap], kept[tap][j : j + 1], dim=1)
            total[:, j] += ((1 - cosine) / 2).reshape(20, -1).mean(1)
    gap = total.sort(1).values
    clear = gap[:, 1] - gap[:, 0] > 1e-5
    assert clear.sum() > 15
    assert torch.equal(answers(SmallestMeanDistance(defense), x)[clear], total.argmin(1)[clear])


def test_smallest_mean_distance_needs_no_thresholds(digits, model, centroids, defense):
    strict = CentroidDefense(model, centroids, [0.0] * 10)
    x, _ = digits
    expected = answers(SmallestMeanDistance(defense), x)
    assert torch.equal(answers(SmallestMeanDistance(strict), x), expected)
    assert not torch.equal(defense.predict(x), expected)


def test_binarised_sees_black_and_white(digits, model):
    x, _ = digits
    assert torch.equal(answers(Binarised(model), x), answers(model, (x > 0.5).float()))
    pale = 0.5 + 0.1 * (x - 0.5)  # no pixel crosses the threshold
    assert torch.equal(answers(Binarised(model), pale), answers(Binarised(model), x))
    assert not torch.equal(answers(model, pale), answers(model, x))
    gray = torch.full((1, 1, 28, 28), 0.5)
    with torch.no_grad():
        torch.testing.assert_close(Binarised(model)(gray), model(torch.zeros_like(gray)))


def test_the_threshold_does_not_hide_the_gradient(digits, model):
    x, y = digits
    torch.testing.assert_close(input_gradient(Binarised(model), x, y), input_gradient(model, (x > 0.5).float(), y))


def test_each_can_be_attacked(digits, model, centroids, defense):
    """FGSM on a baseline, which needs its gradient, hurts it more than FGSM on the network does."""
    x, y = digits
    there = fgsm(model, x, y, eps=0.2)
    for baseline in (NearestCentroid(centroids), SmallestMeanDistance(defense), Binarised(model)):
        own, others = ((answers(baseline, z) == y).sum() for z in (fgsm(baseline, x, y, eps=0.2), there))
        clean = (answers(baseline, x) == y).sum()
        assert own < clean
        assert own <= others + 5


def test_they_are_log_probabilities_of_models_in_evaluation_mode(digits, model, centroids, defense):
    x = digits[0][:5]
    for baseline in (NearestCentroid(centroids), SmallestMeanDistance(defense), Binarised(model)):
        with torch.no_grad():
            torch.testing.assert_close(baseline(x).exp().sum(1), torch.ones(5))
        assert not baseline.training and (baseline.classes, baseline.shape) == (10, (1, 28, 28))
    assert not model.training


def test_what_does_not_fit_is_refused(centroids, model, defense):
    with pytest.raises(ValueError, match=r"centroids has shape \(10, 784\), expected \(N, C, H, W\)"):
        NearestCentroid(centroids.flatten(1))
    with pytest.raises(ValueError, match=r"centroids spans .* expected pixels in \[0, 1\]"):
        NearestCentroid(255 * centroids)
    with pytest.raises(ValueError, match=r"training mode, expected evaluation mode; call model.eval\(\) first"):
        Binarised(training.initialised("LeNet5", seed=0))
    learning = copy.copy(defense)
    learning.model = copy.deepcopy(model).train()
    with pytest.raises(ValueError, match=r"training mode, expected evaluation mode; call model.eval\(\) first"):
        SmallestMeanDistance(learning)(centroids)
