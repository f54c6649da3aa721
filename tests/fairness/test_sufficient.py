"""When there is too little for a verdict: each least number by itself, and what would suffice does."""

from dataclasses import replace

import numpy as np
import pytest
from made_images import world

from fairlib import fairness

COUNTRIES = np.repeat([f"country {i}" for i in range(8)], 20)
RIGHT = np.arange(160) % 4 > 0
SLOPE = fairness.within_class(**world(0, countries=20))["between"]


def test_enough_is_enough():
    assert fairness.too_few(RIGHT, COUNTRIES) == []
    assert fairness.too_few(RIGHT, COUNTRIES, slope=SLOPE) == []


@pytest.mark.parametrize("share, kind, other", [(True, "wrong", "right"), (False, "right", "wrong")])
def test_rare_answers_are_too_few(share, kind, other):
    right = np.full(160, share)
    right[:4] = not share
    (sentence,) = fairness.too_few(right, COUNTRIES)
    assert sentence == (
        f"too few images to say: 4 {kind} answers among 160 images; what would suffice: 10, so about 400 images "
        "at this accuracy"
    )
    right[:10] = not share
    assert fairness.too_few(right, COUNTRIES) == []


def test_an_answer_that_is_never_given():
    (sentence,) = fairness.too_few(np.ones(160, dtype=bool), COUNTRIES)
    assert sentence == "too few images to say: 0 wrong answers among 160 images; what would suffice: 10"


def test_the_two_right_answers_of_sixty_are_no_verdict():
    (sentence,) = fairness.too_few([True] * 2 + [False] * 58, [*"abcdef"] * 10)
    assert "2 right answers among 60 images; what would suffice: 10, so about 300 images" in sentence


def test_few_images_of_countries_and_few_countries():
    right = RIGHT[:60]
    (sentence,) = fairness.too_few(right, [*"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbccccccccdddddddddd"])
    assert sentence == (
        "too few images to say: 3 countries with 10 images or more; what would suffice: 5, so 12 more images from "
        "those with fewer and from 1 more country"
    )


def test_what_would_suffice_does():
    few = [*"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbccccccccdddddddddd"]
    more = [*few, *"cc", *"eeeeeeeeee"]  # the 12 images
    assert fairness.too_few(RIGHT[: len(more)], more) == []


def test_few_degrees_of_freedom():
    (sentence,) = fairness.too_few(RIGHT, COUNTRIES, slope=replace(SLOPE, degrees_of_freedom=1.4))
    assert "1.4 degrees of freedom, because few of the 20 countries carry the slope" in sentence
    assert "what would suffice: 2; more countries, of more different wealth" in sentence


def test_clusters_take_the_place_of_countries():
    slope = replace(SLOPE, clustered_by="clusters", clusters=4)
    (sentence,) = fairness.too_few(RIGHT, ["PER"] * 160, slope=slope)
    assert "4 clusters" in sentence
    assert fairness.too_few(RIGHT, ["PER"] * 160, slope=replace(slope, clusters=5)) == []


def test_other_least_numbers():
    assert fairness.too_few(RIGHT, COUNTRIES, least=fairness.Least(countries=9))
    with pytest.raises(ValueError, match="right is 0, expected a whole number"):
        fairness.Least(right=0)
    with pytest.raises(ValueError, match="least is"):
        fairness.too_few(RIGHT, COUNTRIES, least=5)
    with pytest.raises(ValueError, match="expected one answer per image"):
        fairness.too_few([], [])
