"""Fine-tuning on other objectives: against Algorithm 3, closed forms, and steps that are done by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from fairlib import dro, runtime, training

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.fixture(scope="module")
def answers():
    """Logits and labels of six images, one of them far surer than float32 can tell from certain."""
    z = torch.randn(6, 3, generator=runtime.generator(1))
    z[0, 0] = 200.0
    return z, torch.tensor([0, 1, 2, 0, 1, 2])


def lenet():
    return training.initialised("LeNet5", seed=0).eval()


def data(digits, weights=None):
    return dro.WeightedImages(*digits, torch.ones(60, dtype=torch.float64) if weights is None else weights)


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_plain_fine_tuning_is_algorithm_3_with_equal_weights(digits):
    model = lenet()
    options = {"lr": 0.05, "rounds": 2, "batch_size": 20}
    mine = dro.fine_tune(model, data(digits), objective=dro.plain, generator=runtime.generator(4), **options)
    theirs = dro.train(model, data(digits), seed=4, **options)
    for a, b, before in zip(mine.parameters(), theirs.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
        assert not torch.equal(a, before)
    assert not mine.training


def test_focal_loss_without_gamma_is_the_cross_entropy_to_the_bit(answers, digits):
    z, y = answers
    assert torch.equal(dro.focal(0.0)(z, y, y), dro.plain(z, y, y))
    options = {"lr": 0.05, "rounds": 1}
    runs = [
        dro.fine_tune(lenet(), data(digits), objective=one, generator=runtime.generator(4), **options)
        for one in (dro.focal(0.0), dro.plain, dro.focal(2.0))
    ]
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_its_formula(answers, gamma):
    z, y = answers
    p = z.double().softmax(1).gather(1, y[:, None])[:, 0]
    expected = ((1 - p) ** gamma * -p.log()).mean()
    assert dro.focal(gamma)(z, y, y).item() == pytest.approx(expected.item(), rel=1e-5)
    leaf = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad(dro.focal(gamma)(leaf, y, y), leaf)
    assert torch.isfinite(slope).all()


def test_weights_of_the_loss_are_by_image(answers):
    z, y = answers
    w = torch.tensor([3.0, 1, 1, 1, 5, 1])
    each = F.cross_entropy(z[[4, 1]], y[[4, 1]], reduction="none")
    assert dro.weighted(w)(z[[4, 1]], y[[4, 1]], torch.tensor([4, 1])).item() == pytest.approx(
        float((2.5 * each[0] + 0.5 * each[1]) / 2)
    )
    assert torch.equal(dro.weighted(torch.full((6,), 7.0))(z, y, torch.arange(6)), dro.plain(z, y, y))


def test_balanced_sampling_draws_every_group_as_often():
    groups = torch.tensor([0] * 70 + [2] * 25 + [5] * 5)
    w = dro.balancing_weights(groups)
    assert w.mean().item() == pytest.approx(1)
    shares = torch.stack([w[groups == g].sum() / w.sum() for g in (0, 2, 5)])
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3, dtype=torch.float64))
    drawn = groups[dro.sample(w, 30_000, runtime.generator(0))]
    for g in (0, 2, 5):
        assert (drawn == g).double().mean().item() == pytest.approx(1 / 3, abs=4 * math.sqrt(2 / 9 / 30_000))


def test_a_step_of_group_dro_by_hand():
    """Two groups with losses log 2 and log 4: with eta = 1 the weights are 2 : 4."""
    z = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]], requires_grad=True)
    y = torch.tensor([0, 1])  # the cross-entropies are log 2 and log 4
    objective = dro.GroupDRO(torch.tensor([0, 1]), step_size=1.0)
    value = objective(z, y, torch.tensor([0, 1]))
    assert objective.q.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert value.item() == pytest.approx(math.log(2) / 3 + 2 * math.log(4) / 3)
    (slope,) = torch.autograd.grad(value, z)  # q is held fixed: softmax minus one-hot, times q
    expected = torch.tensor([[-0.5 / 3, 0.5 / 3], [0.75 * 2 / 3, -0.75 * 2 / 3]])
    torch.testing.assert_close(slope, expected)
    objective(z[:1], y[:1], torch.tensor([0]))  # a group without images in the batch has loss 0
    assert objective.q.tolist() == pytest.approx([1 / 2, 1 / 2])


def test_group_dro_that_never_moves_is_the_mean_of_groups(answers):
    z, y = answers
    objective = dro.GroupDRO(torch.tensor([0, 0, 0, 0, 1, 1]), step_size=0.0)
    each = F.cross_entropy(z, y, reduction="none")
    assert objective(z, y, torch.arange(6)).item() == pytest.approx(float((each[:4].mean() + each[4:].mean()) / 2))


def test_fine_tuning_leaves_model_and_objective_as_they_were(digits):
    model, objective = lenet(), dro.GroupDRO(torch.arange(60) % 3, step_size=1.0)
    options = {"objective": objective, "lr": 0.05, "rounds": 1}
    one, two = (dro.fine_tune(model, data(digits), generator=runtime.generator(2), **options) for _ in range(2))
    assert same(one, two) and same(model, lenet()) and objective.q.tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: dro.focal(-1.0), "gamma is -1.0"),
        (lambda: dro.weighted(torch.tensor([1.0, 0.0])), "expected .N,. of positive, finite numbers"),
        (lambda: dro.GroupDRO(torch.tensor([0.0, 1.0])), "groups is torch.float32 of shape .2,., expected .N,. int64"),
        (lambda: dro.GroupDRO(torch.tensor([0, 1]), -1.0), "step_size is -1.0"),
        (lambda: dro.balancing_weights(torch.tensor([0, -1])), "expected .N,. int64 of numbers from 0"),
        (lambda: dro.group_step(torch.ones(2), torch.ones(3), 1.0), "q has shape .2,., losses .3,."),
    ],
)
def test_bad_input_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_training_that_cannot_go_on_is_refused(digits):
    options = {"objective": dro.plain, "generator": runtime.generator(0)}
    with pytest.raises(ValueError, match="lr is 0"):
        dro.fine_tune(lenet(), data(digits), lr=0.0, **options)
    with pytest.raises(ValueError, match="rounds is 0"):
        dro.fine_tune(lenet(), data(digits), lr=0.1, rounds=0, **options)
    with pytest.raises(dro.Diverged, match="lower lr"):
        dro.fine_tune(lenet(), data(digits), lr=1e30, **options)
