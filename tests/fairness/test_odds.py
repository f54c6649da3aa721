"""Equalised odds against fairlearn's numbers, a count by hand, and what chance gives by dealing image by image."""

import numpy as np
import pytest

from fairlib import fairness

# What MetricFrame(...).difference() of fairlearn 0.15.0 gives for the true and the false positive rate of each class
# against the others, for `made(7)`; its equalized_odds_difference is the larger of the two.
FAIRLEARN = {
    "true_positive": [0.24786324786324787, 0.016042780748663166, 0.17586206896551726, 0.10483870967741937],
    "false_positive": [0.0494949494949495, 0.07830687830687832, 0.058693733451015, 0.01169693763592547],
}


def made(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(4, size=400)
    groups = rng.choice(["a", "b", "c"], 400, p=[0.6, 0.3, 0.1])
    return y, np.where(rng.random(400) < 0.6, y, rng.integers(4, size=400)), groups


def test_gaps_are_those_of_fairlearn():
    found = fairness.equalised_odds(*made(7), permutations=9)
    for rate, expected in FAIRLEARN.items():
        assert found.by_class[rate].tolist() == pytest.approx(expected)
    assert found.difference == pytest.approx(max(map(max, FAIRLEARN.values())))


def test_gaps_by_hand():
    """Of two images of each class in each group, group b has one wrong; what it is called is no class of y."""
    y, groups = ["cat", "cat", "dog", "dog"] * 2, ["a"] * 4 + ["b"] * 4
    found = fairness.equalised_odds(y, [*y[:4], "cat", "owl", "dog", "cat"], groups, permutations=99)
    assert found.by_class.loc["cat"].tolist() == [0.5, 0.5]
    assert found.by_class.loc["dog"].tolist() == [0.5, 0.0]
    assert found.difference == 0.5 and list(found.by_class.index) == ["cat", "dog"]


def test_a_classifier_that_is_always_right_has_equal_odds():
    y, _, groups = made(3)
    found = fairness.equalised_odds(y, y, groups, permutations=19)
    assert (found.difference, found.chance, found.p_value) == (0, (0, 0, 0), 1)


def test_chance_is_what_dealing_image_by_image_gives():
    y, predicted, groups = made(5)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(400):
        dealt = groups.copy()
        for k in range(4):
            dealt[y == k] = rng.permutation(groups[y == k])
        drawn.append(fairness.equalised_odds(y, predicted, dealt, permutations=1).difference)
    found = fairness.equalised_odds(y, predicted, groups, permutations=4_000)
    assert found.chance[0] == pytest.approx(np.median(drawn), abs=0.02)
    assert found.chance[2] == pytest.approx(np.quantile(drawn, 0.975), abs=0.04)


def test_a_planted_difference_is_found_and_chance_is_not():
    y, predicted, groups = made(11)
    assert fairness.equalised_odds(y, predicted, groups).p_value > 0.05
    unfair = np.where((groups == "b") & (y == 2), 0, predicted)
    found = fairness.equalised_odds(y, unfair, groups)
    assert found.p_value < 0.01 and found.by_class["true_positive"].argmax() == 2


@pytest.mark.parametrize(
    ("y", "predicted", "groups", "message"),
    [
        ([0, 1, 0, 1], [0, 1, 0, 1], ["a"] * 4, "1 group.s. and 2 class.es. of y, expected two or more of each"),
        ([0, 0, 0, 0], [0, 1, 0, 1], ["a", "b"] * 2, "2 group.s. and 1 class.es. of y"),
        ([0, 1, 0, 0], [0, 1, 0, 1], ["a", "b"] * 2, "group 'a' has no image of class 1"),
        ([0, 1, 0, 1], [0, 1, 0], ["a", "b"] * 2, "y and predicted together"),
    ],
)
def test_bad_input_is_refused(y, predicted, groups, message):
    with pytest.raises(ValueError, match=message):
        fairness.equalised_odds(y, predicted, groups)
