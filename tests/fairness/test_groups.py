"""Groups against fairlearn's numbers, closed forms of chance, and a permutation test that deals image by image."""

import numpy as np
import pandas as pd
import pytest
from made_images import IMAGES, world
from scipy import stats

from fairlib import fairness

# What MetricFrame of fairlearn 0.15.0 gives for the accuracy of images.csv by country.
BY_GROUP = {
    "c0": 0.5, "c1": 0.45652173913043476, "c2": 0.2564102564102564, "c3": 0.4482758620689655, "c4": 0.41935483870967744,
    "c5": 0.71875, "c6": 0.4, "c7": 0.375, "c8": 0.5555555555555556, "c9": 0.2857142857142857,
}  # fmt: skip
GROUP_MIN, GROUP_MAX, DIFFERENCE = 0.2564102564102564, 0.71875, 0.4623397435897436


def test_accuracies_and_gap_are_those_of_fairlearn():
    table = fairness.group_accuracy(IMAGES["right"], IMAGES["country"], permutations=9)
    assert table["accuracy"].to_dict() == pytest.approx(BY_GROUP)
    found = fairness.extremes(IMAGES["right"], IMAGES["country"], permutations=9)
    assert (found.worst_accuracy, found.gap) == pytest.approx((GROUP_MIN, DIFFERENCE))
    assert (BY_GROUP[found.worst], BY_GROUP[found.best]) == pytest.approx((GROUP_MIN, GROUP_MAX))


def test_one_against_the_rest():
    table = fairness.group_accuracy(IMAGES["right"], IMAGES["country"], permutations=9)
    for name, row in table.iterrows():
        own = IMAGES["country"] == name
        gap = IMAGES.loc[own, "right"].mean() - IMAGES.loc[~own, "right"].mean()
        assert row["difference"] == pytest.approx(gap)


def test_expected_is_the_accuracy_of_the_mix_of_classes():
    table = fairness.group_accuracy(IMAGES["right"], IMAGES["country"], classes=IMAGES["object"], permutations=9)
    by_class = IMAGES.groupby("object")["right"].mean()
    expected = IMAGES["object"].map(by_class).groupby(IMAGES["country"]).mean()
    assert table["expected"].to_dict() == pytest.approx(expected.to_dict())


def test_without_classes_the_p_value_of_two_groups_is_fishers():
    """Two groups, one class: the permutation is hypergeometric, which Fisher's exact test has in closed form."""
    right = np.repeat([1, 0, 1, 0], [12, 28, 30, 30])
    groups = np.repeat(["a", "b"], [40, 60])
    table = fairness.group_accuracy(right, groups, permutations=20_000)
    distribution = stats.hypergeom(100, 42, 40)
    far = np.abs(np.arange(41) - 40 * 0.42) >= abs(12 - 40 * 0.42) - 1e-9
    exact = distribution.pmf(np.arange(41))[far].sum()
    assert table["p_value"].tolist() == pytest.approx([exact, exact], abs=4 * np.sqrt(exact / 20_000))
    assert table["adjusted_p_value"].tolist() == pytest.approx(table["p_value"].tolist())
    low, high = (distribution.ppf(q) / 40 - (42 - distribution.ppf(q)) / 60 for q in (0.025, 0.975))
    assert (table.loc["a", "chance_low"], table.loc["a", "chance_high"]) == pytest.approx((low, high), abs=0.05)


def dealt(images: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """The labels of groups permuted within classes, image by image."""
    return images.groupby("object")["country"].transform(lambda one: rng.permutation(one.to_numpy())).to_numpy()


def test_chance_is_that_of_labels_dealt_within_classes():
    rng = np.random.default_rng(0)
    accuracies = pd.DataFrame([IMAGES["right"].groupby(dealt(IMAGES, rng)).mean() for _ in range(600)])
    found = fairness.extremes(IMAGES["right"], IMAGES["country"], classes=IMAGES["object"])
    lowest, gap = accuracies.min(axis=1), accuracies.max(axis=1) - accuracies.min(axis=1)
    assert found.chance_worst == pytest.approx(lowest.quantile([0.5, 0.025, 0.975]).tolist(), abs=0.03)
    assert found.chance_gap == pytest.approx(gap.quantile([0.5, 0.025, 0.975]).tolist(), abs=0.05)
    assert found.gap_p_value == pytest.approx((gap >= found.gap - 1e-12).mean(), abs=0.07)
    assert found.worst_p_value == pytest.approx((lowest <= found.worst_accuracy + 1e-12).mean(), abs=0.07)


def test_forty_groups_that_chance_made_are_no_finding():
    """Uniform p-values: of 60 worlds about 3 have an adjusted p, or a p of the gap, below 0.05."""
    rng = np.random.default_rng(1)
    smallest, gaps = [], []
    for seed in range(60):
        right, groups = rng.random(1_000) < 0.7, rng.integers(40, size=1_000)
        table = fairness.group_accuracy(right, groups, permutations=199, seed=seed)
        smallest.append(table["adjusted_p_value"].min())
        gaps.append(fairness.extremes(right, groups, permutations=199, seed=seed).gap_p_value)
    assert stats.kstest(smallest, "uniform").pvalue > 0.01
    assert stats.kstest(gaps, "uniform").pvalue > 0.01
    assert np.mean(table["p_value"] < 0.2) > 0  # while some group by itself looks unusual


def test_a_mix_of_classes_is_no_finding_but_a_group_served_worse_is():
    made = world(3, mix=True, images=4_000)
    thirds = fairness.thirds(made["log_wealth"], made["countries"])
    raw = fairness.group_accuracy(made["right"], thirds)
    adjusted = fairness.group_accuracy(made["right"], thirds, classes=made["classes"])
    assert raw.loc["poorest third", "adjusted_p_value"] < 0.01
    assert adjusted.loc["poorest third", "adjusted_p_value"] > 0.05
    worse = made["right"] & ~((thirds == "poorest third") & (np.arange(4_000) % 4 == 0))
    assert fairness.extremes(worse, thirds, classes=made["classes"]).gap_p_value < 0.01


def test_names_and_order_change_nothing():
    order = np.random.default_rng(2).permutation(len(IMAGES))
    mixed = IMAGES.iloc[order]
    found = fairness.group_accuracy(mixed["right"], mixed["country"], classes="x" + mixed["object"])
    assert found.equals(fairness.group_accuracy(IMAGES["right"], IMAGES["country"], classes=IMAGES["object"]))


def test_thirds_of_countries_and_of_images():
    wealth = np.repeat([7.0, 8.0, 9.0, 10.0, 11.0, 12.0], [50, 1, 1, 1, 1, 1])
    countries = np.repeat([*"fedcba"], [50, 1, 1, 1, 1, 1])
    found = pd.Series(fairness.thirds(wealth, countries)).groupby(wealth).agg(["first", "nunique"])
    assert found["nunique"].tolist() == [1] * 6
    assert found["first"].tolist() == np.repeat(["poorest third", "middle third", "richest third"], 2).tolist()
    own = fairness.thirds(np.arange(30) // 2, ["PER"] * 30)
    assert own.tolist() == np.repeat(["poorest third", "middle third", "richest third"], 10).tolist()
    with pytest.raises(ValueError, match="2 countries of one wealth each"):
        fairness.thirds([7.0, 8.0], ["a", "b"])


def test_what_has_no_groups_is_refused():
    with pytest.raises(ValueError, match="two groups or more"):
        fairness.group_accuracy([True, False], ["a", "a"])
    with pytest.raises(ValueError, match="groups holds None"):
        fairness.extremes([True, False], ["a", None])
    with pytest.raises(ValueError, match="permutations is 0"):
        fairness.group_accuracy([True, False], ["a", "b"], permutations=0)
    with pytest.raises(ValueError, match="one answer per image"):
        fairness.group_accuracy([], [])
