"""Tuning against the defence itself, brute force, problems with a known answer, and planted thresholds."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from fairlib import data, runtime, tuning
from fairlib.attacks import fgsm
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")
GRID = [k / 20 for k in range(11)]


@pytest.fixture(scope="module")
def defense(model):
    return CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))


@pytest.fixture(scope="module")
def attacked(model, digits):
    return fgsm(model, *digits, eps=0.1)


def drawn(taps: int = 3, n: int = 60, classes: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances on a coarse grid, so that ties, equality with a threshold and "nobody" all occur; labels."""
    g = runtime.generator(seed)
    distance = torch.randint(0, 11, (taps, n, classes), generator=g) / 20
    return distance, torch.randint(0, classes, (n,), generator=g)


def right(distance, y, alpha) -> int:
    """Algorithm 1 with the released semantics, image by image, in plain Python."""
    total = 0
    for i, label in enumerate(y.tolist()):
        tally, nobody = [0] * len(alpha), 0
        for tap in distance[:, i].tolist():
            fair = [d <= a for d, a in zip(tap, alpha.tolist(), strict=True)]
            tally = [t + f for t, f in zip(tally, fair, strict=True)]
            nobody += not any(fair)
        total += max(tally) >= nobody and tally.index(max(tally)) == label
    return total


def test_votes_and_decide_are_the_defences(defense, attacked):
    distance = defense.distances(attacked)[:, :, 0]
    tally, _ = tuning.votes(distance, defense.alpha)
    assert torch.equal(tally.float(), defense.tally(attacked))
    assert torch.equal(tuning.decide(distance, defense.alpha), defense.predict(attacked))
    tight = torch.full((10,), 0.01)
    lonely = CentroidDefense(defense.model, data.centroids("MNIST"), tight).predict(attacked)
    assert (lonely == -1).any()
    assert torch.equal(tuning.decide(distance, tight), lonely)


@pytest.mark.parametrize("seed", range(3))
def test_no_single_threshold_betters_the_tuned_ones(seed):
    distance, y = drawn(seed=seed)
    start = torch.full((3,), 0.2)
    alpha = tuning.tune_alpha(distance, y, start, grid=GRID)
    best = right(distance, y, alpha)
    assert best == int((tuning.decide(distance, alpha) == y).sum())
    assert best > right(distance, y, start)
    for j, g in itertools.product(range(3), GRID):
        other = alpha.clone()
        other[j] = g
        assert right(distance, y, other) <= best


def test_tuning_finds_the_thresholds_that_separate():
    """Each class within its own radius, everyone else beyond; the last threshold may be wider, since it loses ties."""
    radius = torch.tensor([0.1, 0.25, 0.4])
    y = torch.arange(3).repeat(20)
    distance = (radius + 0.05).expand(2, 60, 3).clone()
    distance[:, range(60), y] = radius[y]
    assert right(distance, y, torch.full((3,), 0.45)) == 20
    alpha = tuning.tune_alpha(distance, y, torch.full((3,), 0.45), grid=GRID)
    assert right(distance, y, alpha) == 60
    torch.testing.assert_close(alpha[:2], radius[:2])
    assert alpha[2] >= radius[2]


def test_thresholds_stay_where_nothing_gains():
    start = torch.tensor([0.137, 0.261, 0.412])  # not on the grid
    distance = torch.full((2, 9, 3), 0.9)
    y = torch.arange(3).repeat(3)
    distance[:, range(9), y] = 0.05
    assert torch.equal(tuning.tune_alpha(distance, y, start, grid=GRID), start)


@pytest.mark.parametrize(
    ("labels", "grid", "mend"),
    [
        (torch.zeros(5, dtype=torch.int64), GRID, r"y has shape \(5,\), expected \(60,\)"),
        (torch.full((60,), 3), GRID, "y spans"),
        (torch.zeros(60, dtype=torch.int64), [], "grid is empty, expected at least one threshold"),
        (torch.zeros(60, dtype=torch.int64), [0.1, 1.5], r"a threshold of grid is 1\.5, expected a number in \[0, 1\]"),
    ],
)
def test_what_cannot_be_tuned_is_refused(labels, grid, mend):
    with pytest.raises(ValueError, match=mend):
        tuning.tune_alpha(drawn()[0], labels, torch.full((3,), 0.5), grid=grid)


def test_directions_give_the_defences_distances(defense, attacked):
    with torch.no_grad():
        pairs = zip(
            tuning.directions(defense.model, attacked),
            tuning.directions(defense.model, data.centroids("MNIST")),
            strict=True,
        )
        distance = torch.stack([(1 - a @ k.T) / 2 for a, k in pairs])
    torch.testing.assert_close(distance, defense.distances(attacked)[:, :, 0], rtol=0, atol=1e-5)


def test_the_hinge_by_hand():
    """Two taps, one image, two classes; votes are sigmoids, nobody gets what both leave over."""
    distance = torch.tensor([[[0.1, 0.3]], [[0.2, 0.2]]])
    alpha = torch.tensor([0.2, 0.2])
    a, b = (torch.sigmoid(torch.tensor(v)).item() for v in (1.0, -1.0))
    tally = [a + 0.5, b + 0.5, (1 - a) * (1 - b) + 0.25]
    for label in (0, 1):
        expected = 1 - tally[label] + max(t for k, t in enumerate(tally) if k != label)
        found = tuning._hinge(distance, torch.tensor([label]), alpha, 0.1)
        assert found.item() == pytest.approx(max(0, expected), abs=1e-6)
    assert tuning._hinge(torch.tensor([[[0.0, 0.9]]] * 3), torch.tensor([0]), alpha, 0.01).item() == 0


def test_synthetic_centroids_learn_what_they_are_shown(model, attacked, digits):
    y = digits[1]
    alpha, start = data.alphas("MNIST"), data.centroids("MNIST", "mean")
    before = start.clone()
    found = tuning.tune_centroids(model, attacked, y, start, alpha, iterations=100)
    assert found.shape == start.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(start, before)

    def accuracy(centroids) -> float:
        return (CentroidDefense(model, centroids, alpha).predict(attacked) == y).float().mean().item()

    assert accuracy(found) > accuracy(start) + 0.1
    assert not found.requires_grad and not start.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(found, tuning.tune_centroids(model, attacked, y, start, alpha, iterations=100))
    assert not torch.equal(found, tuning.tune_centroids(model, attacked, y, start, alpha, iterations=100, seed=1))


def test_the_first_step_goes_downhill(model, attacked, digits):
    """Adam's first step is lr against the gradient's sign; the gradient here comes from finite differences."""
    y, alpha, start = digits[1], data.alphas("MNIST"), data.centroids("MNIST", "mean")
    one = tuning.tune_centroids(model, attacked, y, start, alpha, iterations=1, lr=1e-3, batch_size=500)
    batch = torch.randint(len(y), (500,), generator=runtime.generator(0))

    def loss(centroids: torch.Tensor) -> float:
        with torch.no_grad():
            cosine = [
                a[batch] @ k.T
                for a, k in zip(tuning.directions(model, attacked), tuning.directions(model, centroids), strict=True)
            ]
        return tuning._hinge((1 - torch.stack(cosine)) / 2, y[batch], alpha, 0.05).item()

    moved = one - start
    assert moved.abs().max() <= 1e-3 + 1e-6
    assert loss(one) < loss(start) < loss((start - moved).clamp(0, 1))


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ({"x": torch.zeros(4, 1, 28, 28)}, "y has shape"),
        ({"x": 255 * torch.ones(200, 1, 28, 28)}, r"x spans \[255, 255\], expected pixels in \[0, 1\]"),
        ({"centroids": torch.zeros(10, 28, 28)}, r"centroids has shape \(10, 28, 28\)"),
        ({"y": torch.full((200,), 10)}, "expected labels in"),
    ],
)
def test_images_that_do_not_fit_are_refused(model, digits, change, mend):
    given = {"x": digits[0], "y": digits[1], "centroids": data.centroids("MNIST")} | change
    with pytest.raises(ValueError, match=mend):
        tuning.tune_centroids(model, **given, alpha=data.alphas("MNIST"), iterations=1)


def test_normalised_directions_have_length_one(model, digits):
    with torch.no_grad():
        for a in tuning.directions(model, digits[0][:5]):
            torch.testing.assert_close(a.norm(dim=1), torch.ones(5))
            assert F.cosine_similarity(a[0], a[1], dim=0) < 1
