"""What is known of each image: labels numbered as pandas does it, wealth taken apart, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from fairlib.fairness import images as module

GOOD = {
    "right": [True, False, True, True], "log_wealth": [7.0, 7.0, 9.0, 9.5], "classes": ["b", "a", "b", "c"],
    "countries": ["P", "P", "N", "N"], "clusters": [1, 2, 1, 1],
}  # fmt: skip


def test_labels_are_numbered_in_their_order():
    known = module.images(**GOOD)
    assert known.classes.tolist() == [1, 0, 1, 2]
    assert known.countries.tolist() == pd.Categorical(GOOD["countries"]).codes.tolist() == [1, 1, 0, 0]
    assert known.right.tolist() == [1, 0, 1, 1]


def test_labels_may_be_tuples_and_of_several_kinds():
    number, names = module.numbered([(2, 1), (1,), (2, 1)], "classes", 3)
    assert (number.tolist(), list(names)) == ([1, 0, 1], [(1,), (2, 1)])
    assert module.codes(["a", 1, "a"], "classes", 3).tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", [np.array, pd.Series])
def test_whole_numbers_are_numbered_as_any_label(kind):
    labels = [30, 4, 30, -2]
    number, names = module.numbered(kind(labels), "classes", 4)
    by_hand, as_words = module.numbered(labels, "classes", 4)
    assert (number.tolist(), list(names)) == (by_hand.tolist(), list(as_words)) == ([2, 1, 2, 0], [-2, 4, 30])
    assert number.dtype == by_hand.dtype and names.dtype == as_words.dtype
    with pytest.raises(ValueError, match="4 of classes for 3 images"):
        module.numbered(kind(labels), "classes", 3)


def test_a_cluster_lies_in_one_country():
    assert module.images(**GOOD).clusters.tolist() == [1, 2, 0, 0]


def test_some_images_are_numbered_anew():
    some = module.images(**GOOD).only(np.array([False, False, True, True]))
    assert [one.tolist() for one in some] == [[1, 1], [9, 9.5], [0, 1], [0, 0], [0, 0]]
    assert module.images(**GOOD | {"clusters": None}).only(np.array([True] * 4)).clusters is None


def test_wealth_is_the_countrys_mean_and_the_rest():
    known = module.images(**GOOD)
    expected = pd.Series(known.log_wealth).groupby(known.countries).transform("mean")
    assert module.means(known.log_wealth, known.countries) == pytest.approx(expected)
    assert module.wealth_within(known.log_wealth, known.countries) == pytest.approx([0, 0, -0.25, 0.25])


def test_last_digits_are_no_difference():
    assert not module.wealth_within(np.array([8.1, 8.1 + 2e-15, 9.0]), np.array([0, 0, 1])).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right": [True, False, None, True]}, "right holds None"),
        ({"right": [[True, False, True, True]]}, "one answer per image"),
        ({"log_wealth": [7.0, 7.0, 9.0]}, "3 of log_wealth for 4 images"),
        ({"log_wealth": [7.0, np.inf, 9.0, 9.0]}, "finite"),
        ({"classes": ["a", np.nan, "b", "c"]}, "classes holds nan, expected a label for every image"),
        ({"countries": "PPNN"}, "several"),
        ({"clusters": [1, 2]}, "2 of clusters for 4 images"),
    ],
)
def test_what_is_no_image_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        module.images(**GOOD | change)
