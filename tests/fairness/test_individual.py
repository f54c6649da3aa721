"""Individual fairness: hand-made maps that violate the condition in known shares, scipy, and triangles by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from fairlib.fairness import angles, broken_triangles, by_class, gaps_by_chance, total_variation, violations


def test_total_variation_is_the_largest_difference_over_all_events():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(5), size=(2, 40))
    events = np.array([[i >> k & 1 for k in range(5)] for i in range(32)])
    np.testing.assert_allclose(total_variation(p, q), np.abs((p - q) @ events.T).max(1))


def test_total_variation_of_two_normals_is_known():
    edges = np.linspace(-8, 9, 20_001)
    p, q = (np.diff(stats.norm.cdf(edges, mean)) for mean in (0, 1))
    p, q = p / p.sum(), q / q.sum()
    assert total_variation(p, q) == pytest.approx(2 * stats.norm.cdf(0.5) - 1, abs=1e-6)


def test_total_variation_is_a_metric_on_these():
    p = np.random.default_rng(1).dirichlet(np.ones(4), size=12)
    assert broken_triangles(total_variation(p[:, None].repeat(12, 1), p[None].repeat(12, 0))) == 0


def test_a_map_that_triples_every_distance_is_fair_from_three_on():
    x = np.linspace(0.01, 0.3, 30)
    assert violations(3 * x, x, [1, 2.999, 3.001]).tolist() == [1, 1, 0]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.7])
def test_a_step_is_violated_by_the_pairs_that_straddle_it(share):
    """M is 0 below the step and 1 above it; a share of the pairs, all 0.2 apart, straddles it."""
    n = 200
    straddling = np.arange(n) < share * n
    assert violations(straddling.astype(float), np.full(n, 0.2), [0, 1, 4.9, 5.1]).tolist() == [share] * 3 + [0]


def test_one_and_the_same_must_be_treated_the_same():
    assert violations([0.0, 0.1], [0.0, 0.0], [1, 1e9]).tolist() == [0.5, 0.5]


def test_angles_by_hand_and_the_cosine_is_no_metric():
    turn = [0, math.pi / 4, math.pi / 2]
    u = np.array([[math.cos(t), math.sin(t)] for t in turn])
    table = angles(u[:, None].repeat(3, 1), u[None].repeat(3, 0))
    assert table[0].tolist() == pytest.approx([0, 0.25, 0.5])
    cosine = (1 - u @ u.T) / 2  # 0.5 straight on, 2 * 0.146 by way of the middle
    assert cosine[0, 2] > cosine[0, 1] + cosine[1, 2]
    assert broken_triangles(cosine.clip(0)) == 1.0
    assert broken_triangles(table) == 0.0
    assert angles([1.0, 1e-9], [1.0, 0.0]) == pytest.approx(1e-9 / math.pi)  # arccos would say 0


def test_triangles_are_counted_each_once():
    sides = np.array([[0, 1, 5, 1], [1, 0, 1, 1], [5, 1, 0, 1], [1, 1, 1, 0]], dtype=float)
    assert broken_triangles(sides) == 0.5  # those with the side of length 5: two of four


def test_recall_and_precision_by_hand():
    table = by_class([[8, 2, 0, 0], [1, 3, 0, 6], [0, 5, 0, 0]])  # the last answer is nobody
    assert table["recall"].tolist() == pytest.approx([0.8, 0.3, 0.0])
    assert table["precision"].tolist() == pytest.approx([8 / 9, 0.3, np.nan], nan_ok=True)
    assert table["n"].tolist() == [10, 10, 5]


def test_the_gap_by_chance_is_hypergeometric():
    """Of two classes with m images each and R right in all, the first has X right: the gap is |2 X - R| / m."""
    m, right = 50, 60
    x = np.arange(max(0, right - m), m + 1)
    expected = (stats.hypergeom(2 * m, m, right).pmf(x) * np.abs(2 * x - right) / m).sum()
    found = gaps_by_chance(right, [m, m], draws=20_000, seed=0)
    assert found[:, 1].mean() == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(2 * found[:, 0] + found[:, 1], right / m)
    assert (gaps_by_chance(100, [50, 50], draws=5, seed=1) == [1, 0]).all()
    assert (gaps_by_chance(60, [50, 50], draws=9, seed=3) == gaps_by_chance(60, [50, 50], draws=9, seed=3)).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: total_variation([0.5, 0.6], [0.5, 0.5]), "p has a row whose sum is not 1"),
        (lambda: total_variation([0.5, 0.5], [[0.5, 0.5]]), r"p has shape \(2,\), q \(1, 2\), expected the same"),
        (lambda: total_variation([1.5, -0.5], [0.5, 0.5]), r"p holds -0.5"),
        (lambda: angles([0.0, 0.0], [1.0, 0.0]), "a vector of zeros"),
        (lambda: violations([1.0], [1.0, 2.0], [1]), r"outcomes has shape \(1,\), individuals \(2,\)"),
        (lambda: violations([1.0], [-1.0], [1]), "individuals holds -1"),
        (lambda: broken_triangles(np.zeros((2, 2))), r"expected a symmetric table \(N, N\) of three points"),
        (lambda: broken_triangles([[0, 1, 2], [3, 0, 1], [2, 1, 0]]), "expected a symmetric table"),
        (lambda: by_class([[1, 0], [0, 0]]), "an image of each"),
        (lambda: by_class([[1], [2]]), "at least as many answers as classes"),
        (lambda: gaps_by_chance(11, [5, 5], draws=3, seed=0), "right"),
        (lambda: gaps_by_chance(1, [5], draws=3, seed=0), "n has shape"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
