"""The duality on small spaces, what is known at its ends, and the estimates from hand-made records of table 1."""

import numpy as np
import pytest
from book.experiments.hand_made import write_table1

from fairlib.book.experiments import perceptual_attack


def test_primal_and_dual_agree():
    g = np.random.default_rng(1)
    for _ in range(20):
        n, m = g.integers(1, 5), g.integers(2, 8)
        places = g.normal(size=(m, 2))
        loss, cost = g.normal(size=m), ((places[:n, None] - places[None]) ** 2).sum(-1)
        for delta in (0.0, 0.1, 1.0, 20.0):
            best, plan = perceptual_attack.primal(loss, cost, delta)
            value, lam = perceptual_attack.dual(loss, cost, delta)
            assert value == pytest.approx(best, abs=1e-6) and lam >= 0
            np.testing.assert_allclose(plan.sum(1), 1 / min(n, m))
            assert (plan * cost[: len(plan)]).sum() <= delta + 1e-9
    assert abs(perceptual_attack.gap()) < 1e-6


def test_the_ends_of_the_duality():
    """With nothing to spend it is the mean loss; with enough, the largest loss anywhere, and lambda is 0."""
    _, loss, cost = perceptual_attack.example()
    data = cost.argmin(1)
    assert perceptual_attack.dual(loss, cost, 0.0)[0] == pytest.approx(loss[data].mean(), abs=1e-6)
    assert perceptual_attack.dual(loss, cost, 10.0) == pytest.approx((loss.max(), 0), abs=1e-6)
    with pytest.raises(ValueError, match="no distribution lies within delta = -1"):
        perceptual_attack.primal(loss, cost, -1.0)


def test_the_surrogate_is_a_maximum_over_the_space():
    loss, cost = np.array([0.0, 1.0, 5.0]), np.array([[0.0, 1.0, 4.0]])
    assert [perceptual_attack.surrogate(loss, cost, lam)[0] for lam in (0, 1, 2)] == [5, 1, 0]


def test_lambda_estimates(house):
    write_table1()
    found = perceptual_attack.estimates()
    value = {key: e["value"] for key, e in found.items()}
    assert value["lambda=1_minus_lambda=0/LPIPS"] == -0.5 and value["lambda=1_minus_lambda=0/DISTS"] == 1
    assert found["lambda=1_minus_lambda=0/LPIPS"]["n"] == 2  # the third image is not attacked with lambda = 1
    assert value["surrogate_increase/lambda=1"] == pytest.approx(5 - 0.25)
    assert value["surrogate_increase/a=5_minus_a=0"] == pytest.approx(5)
    assert value["success/N=100"] == 1
    assert value["duality/gap"] == pytest.approx(0, abs=1e-6)


def test_pieapp_takes_64_pixels():
    assert perceptual_attack.smallest_pieapp() == 64
