"""The first page's words follow its numbers: each is turned here, and the cards say what the records say."""

import dataclasses
import re

import pandas as pd
import pytest
from book.claims.hand_made import at
from PIL import Image
from PIL.ExifTags import Base

from fairlib.book import claims, front, headlines
from fairlib.book.claims import NOT_REPRODUCED, PARTLY, REPRODUCED
from fairlib.book.experiments import fairer
from fairlib.book.front import cards, numbers
from tools import readme

UP, DOWN, OPEN = at(0.1, 0.05, 0.15), at(-0.1, -0.15, -0.05), at(0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("attacked", "clean", "said"),
    [
        ([UP, UP, UP, DOWN], [DOWN] * 4, "Sometimes, at a price."),
        ([UP, OPEN], [OPEN, OPEN], "Sometimes."),
        ([UP, UP], [OPEN, UP], "Yes."),
        ([UP, UP], [OPEN, DOWN], "Yes, at a price."),
        ([OPEN, DOWN], [DOWN, DOWN], "No."),
    ],
)
def test_whether_the_defence_helps(attacked, clean, said):
    assert cards.word_for_gains(attacked, clean) == said


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([PARTLY, PARTLY, NOT_REPRODUCED], "Hardly."),
        ([NOT_REPRODUCED, NOT_REPRODUCED], "No."),
        ([REPRODUCED, NOT_REPRODUCED], "Sometimes."),
        ([REPRODUCED, REPRODUCED], "Yes."),
    ],
)
def test_what_is_left(verdicts, said):
    assert cards.word_for_what_is_left(verdicts) == said


def test_which_attack_hides_better():
    said = [cards.word_for_distance(farther) for farther in (UP, DOWN, OPEN)]
    assert [re.sub("Perhaps; (the new|an older) one ", r"\1 ", text) for text in said] == [
        "an older moves less.",
        "the new moves less.",
        "the new moves no less.",
    ]


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        (
            [UP, OPEN, UP],
            "Of three older ones one stays nearer; two, by unsaved images, if all start at the photograph",
        ),
        ([UP, OPEN, DOWN], "Of three older ones one stays nearer, wherever they start"),
    ],
)
def test_where_the_older_attacks_start(moved, said):
    assert cards.word_for_starts(iter([UP, OPEN, DOWN]), iter(moved)) == said
    counted = [dataclasses.replace(one, n=n) for one, n in zip(moved, (56, 19, 56), strict=True)]
    told = said.replace("by unsaved", "by 19 unsaved")
    assert cards.word_for_starts(iter([UP, OPEN, DOWN]), iter(counted)) == told


def test_whether_the_price_does_anything():
    ends = {(-0.1, 0.1): "nothing", (-0.1, 3.0): "something", (-9.0, -4.0): "something"}
    for (low, high), changed in ends.items():
        e = dataclasses.replace(UP, value=low, low=low, high=high)
        assert cards.word_for_price(e) == f"at a price that changes {changed}"


def changes(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["low", "high"], index=["poorest", "middle", "richest"])


@pytest.mark.parametrize(
    ("flatter", "groups", "said"),
    [
        (UP, changes((-0.1, -0.05), (-0.1, -0.05), (-0.1, -0.05)), "Flatter, but nobody gains."),
        (UP, changes((-0.1, 0.05), (-0.1, 0.05), (-0.1, 0.05)), "Flatter, but nobody gains."),
        (UP, changes((0.01, 0.05), (-0.1, -0.05), (-0.1, -0.05)), "Flatter, and the poor gain."),
        (UP, changes((-0.1, -0.05), (0.01, 0.05), (0.01, 0.05)), "Flatter, but the poor do not gain."),
        (OPEN, changes((-0.1, -0.05), (-0.1, -0.05), (-0.1, -0.05)), "Not clearly flatter, and nobody gains."),
    ],
)
def test_who_gains(flatter, groups, said):
    assert cards.word_for_fairness(flatter, groups) == said


def test_a_gentler_training_is_said():
    worse = changes((-0.1, -0.05), (-0.1, -0.05), (-0.1, -0.05)).assign(before=0.86)
    assert cards.word_for_fairness(UP, worse, gentler=True) == "Flatter; at the end nobody gains."


def test_what_a_shorter_training_gives():
    poorest = {"value": 0.01, "low": -0.005, "high": 0.025}
    shorter = {"rounds": 1.0, "alpha": fairer.ALPHA / 100, "tried": 6, "poorest": poorest}
    said = "+1.0 [-0.5, +2.5] after 1 round at 0.01 of it, picked out of 6"
    assert cards.word_for_early(shorter) == said


def test_counts_are_words():
    assert [cards.told(which) for which in ([1, 0, 1], [0, 0], [1, 1, 1])] == ["two", "none", "all three"]


@pytest.fixture(scope="module")
def four() -> list[front.Answer]:
    return front.answers()


def test_each_card_has_its_number_its_basis_and_a_way_to_its_chapter(four):
    assert len(four) == 4
    for card in four:
        number, rests = front.below(card).split("\n\n")
        [bold] = re.findall(r"\*\*(.*?)\*\*", number)
        shown = re.findall('data-quantity="(.*?)"', bold)
        ordered = sorted(card.keys, key=lambda key: headlines.estimate(key).value)
        assert shown == ordered[:: max(1, len(ordered) - 1)]  # the smallest and the largest
        assert all(f">{headlines.number(key)}</span>" in bold for key in shown)
        assert f"]({card.chapter}.ipynb)" in number
        assert {headlines.estimate(key).basis for key in card.keys} == {rests.split(". ")[0].removeprefix("Rests on ")}
        assert re.findall(r"\d+\.\d+", front.above(card)) == []
        assert card.says in front.above(card)


def test_the_readme_says_and_shows_the_same_before_all_else(four):
    first = (readme.ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    [block] = readme.BLOCK.findall(first)
    assert block == readme.block(), "run `python -m tools.readme`"
    with Image.open(readme.ROOT / readme.PICTURE) as image:
        assert image.getexif()[Base.ImageDescription] == readme.told(), "run `python -m tools.readme`"
    said = re.findall(r"^- (.*?\?) \*\*(.*?)\*\* (\S+ \[.*?\](?: to \S+ \[.*?\])?) ", block, re.MULTILINE)
    assert said == [(card.question, card.says, re.sub("<.*?>", "", front.shown(card.keys))) for card in four]


def test_the_cards_count_what_the_chapters_recorded(four):
    """The counts in words, from the ledger's verdicts on the same quantities, not from the estimates."""
    helps, survives, *_ = four
    frame = claims.ledger("pepe", chapter="stress_tests")
    assert helps.counts.endswith(": all four lose")
    useful = (frame["family"] == "white-box") & (frame["verdict"] == REPRODUCED)
    assert survives.counts.endswith(f": in {cards.COUNTS[useful.sum()]}")


def test_the_case_that_gained_most_is_followed_to_the_second_card(four):
    """One case on both cards: what is left is not the best of another."""
    gained = {pair: e.value for pair, e in front.gains()[numbers.UNAWARE].items()}
    first = max(gained, key=gained.get)
    left = f"stress_tests/{first}/strongest/gain/eps=0.1, of 100"
    said = f"the best case before ({numbers.PAIRS[first]}) keeps {headlines.span(left)}"
    assert said in four[1].counts and left in four[1].keys


def test_the_case_that_keeps_most_stands_beside_it(four):
    """Also where its gain is no longer the largest: from the records, not from the card's helpers."""
    kept = {pair: claims.recorded("stress_tests")[f"{pair}/strongest/gain/eps=0.1"].value for pair in numbers.PAIRS}
    most = max(kept, key=kept.get)
    assert f"({numbers.PAIRS[most]})" in four[1].counts
