"""The weights of D_rob, the law that they are sampled by, and what they do in the step."""

import pytest
import torch
from scipy import stats

from fairlib import dro, runtime, training

pytestmark = pytest.mark.usefixtures("no_trace")


def p_of_law(sample, P, n=40_000) -> float:
    """p of the chi-square test that n draws of `sample` follow the law that P is proportional to."""
    counts = torch.bincount(sample(P, n, runtime.generator(3)), minlength=len(P))
    return stats.chisquare(counts.numpy(), n * (P / P.sum()).numpy()).pvalue


def test_images_are_drawn_in_proportion_to_their_weights():
    P = dro.sampling_weights(10, 3)
    assert p_of_law(dro.sample, P) > 0.01
    for wrong in (torch.ones_like(P), P.square(), P.sqrt(), P.flip(0)):
        assert p_of_law(lambda _, n, g, wrong=wrong: dro.sample(wrong, n, g), P) < 1e-6


@pytest.mark.parametrize("P", [dro.sampling_weights(7, 3), torch.ones(5), torch.tensor([1e-3, 5.0, 2e4])])
def test_normalised_steps_have_mean_one_over_what_is_sampled(P):
    w = dro.SCALINGS["normalised"](P)
    assert float((P / P.sum() * w).sum()) == pytest.approx(1)
    torch.testing.assert_close(w / w[0], P / P[0])


def test_weights_of_the_paper():
    N, T1 = 4, 3
    expected = [1] * N + [(k - 1) * N + i for k in range(1, T1 + 1) for i in range(1, N + 1)]
    assert dro.sampling_weights(N, T1).tolist() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": torch.ones(9)}, "10 images, 10 labels, 9 weights: expected one of each"),
        ({"weights": torch.zeros(10)}, "expected positive, finite ones"),
        ({"weights": torch.full((10,), torch.nan)}, "expected positive, finite ones"),
        ({"y": torch.zeros(10)}, "y is torch.float32"),
    ],
)
def test_weighted_images_that_do_not_fit_are_refused(digits, change, message):
    parts = {"x": digits[0][:10], "y": digits[1][:10], "weights": torch.ones(10)} | change
    with pytest.raises(ValueError, match=message):
        dro.train(training.initialised("LeNet5", seed=0).eval(), dro.WeightedImages(**parts), lr=0.1, seed=0)
