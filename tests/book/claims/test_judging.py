"""What stands around a rule: columns, conditions, joined statements, families, and the cap of the basis."""

import itertools

import pytest
from book.claims.hand_made import at

from fairlib.book import claims
from fairlib.book.claims import (
    CODE_ONLY,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    NOT_YET,
    PARTLY,
    REPRODUCED,
    TEXT_ONLY,
    UNDECIDED,
    VERDICTS,
    Claim,
)

GAIN, NONE, OPEN, LOSS = at(0.1, 0.05, 0.15), at(0.0, -0.01, 0.01), at(0.01, -0.05, 0.07), at(-0.1, -0.15, -0.05)


def said(name: str = "pepe-a", **fields) -> Claim:
    rest = {"quantity": "gain", "parameters": {"smallest": 0.02}, "family": name} | fields
    return Claim(name, "pepe", "Section 1", "It gains.", "fgsm", rest.pop("rule", "positive"), **rest)


def judged(claim: Claim, *others: Claim, **estimates):
    return claims.judgements([claim], {"fgsm": estimates}, [claim, *others])[claim.id]


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (GAIN, GAIN, REPRODUCED),
        (GAIN, NONE, CODE_ONLY),
        (GAIN, LOSS, CODE_ONLY),
        (LOSS, GAIN, TEXT_ONLY),
        (LOSS, NONE, NOT_REPRODUCED),
        (GAIN, OPEN, UNDECIDED),
        (OPEN, GAIN, UNDECIDED),
        (OPEN, LOSS, UNDECIDED),
        (LOSS, OPEN, UNDECIDED),
        (OPEN, OPEN, UNDECIDED),
    ],
)
def test_text_and_code_are_judged_alike(code, text, expected):
    claim = said(quantity_text="text")
    found = judged(claim, gain=code, text=text)
    assert found.verdict == claims.judge(claim, {"gain": code, "text": text}) == expected
    assert found.code == judged(said(), gain=code).verdict
    assert found.text == judged(said(), gain=text).verdict
    mirror = {CODE_ONLY: TEXT_ONLY, TEXT_ONLY: CODE_ONLY}
    assert judged(claim, gain=text, text=code).verdict == mirror.get(expected, expected)


def test_nothing_is_decided_before_all_of_it_has_run():
    claim = said(quantity_text="text", condition="whole", condition_says="no gain to keep")
    every = {"gain": GAIN, "text": GAIN, "whole": GAIN}
    assert judged(claim, **every).verdict == REPRODUCED
    for missing in every:
        assert judged(claim, **{k: v for k, v in every.items() if k != missing}).verdict == NOT_YET
    assert claims.judge(said(rule="not_testable", quantity=None, parameters={"reason": "-"}), {}) == NOT_TESTABLE


def test_a_condition_that_does_not_hold_leaves_it_undecided():
    claim = said(condition="whole", condition_says="no gain to keep")
    for whole in (LOSS, NONE, OPEN, at(0.0)):
        found = judged(claim, gain=GAIN, whole=whole)
        assert (found.verdict, found.notes) == (UNDECIDED, ("no gain to keep",))
    assert judged(claim, gain=LOSS, whole=GAIN).verdict == NOT_REPRODUCED


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([REPRODUCED, REPRODUCED], REPRODUCED),
        ([REPRODUCED, NOT_REPRODUCED], PARTLY),
        ([NOT_REPRODUCED, NOT_REPRODUCED], NOT_REPRODUCED),
        ([UNDECIDED, NOT_REPRODUCED], NOT_REPRODUCED),
        ([REPRODUCED, UNDECIDED], UNDECIDED),
        ([REPRODUCED, CODE_ONLY], CODE_ONLY),
        ([CODE_ONLY, TEXT_ONLY], TEXT_ONLY),
        ([REPRODUCED, PARTLY], PARTLY),
        ([REPRODUCED, NOT_YET, NOT_REPRODUCED], NOT_YET),
        ([REPRODUCED, NOT_TESTABLE], NOT_TESTABLE),
    ],
)
def test_a_statement_is_as_good_as_its_parts(parts, expected):
    assert claims.joined(parts) == claims.joined(reversed(parts)) == expected


def test_every_verdict_can_be_joined():
    for one, other in itertools.combinations_with_replacement(VERDICTS, 2):
        found = claims.joined([one, other])
        assert found in (one, other, PARTLY)
        assert found != REPRODUCED or one == other == REPRODUCED


def test_joined_claims_and_quantities():
    claim, other = said(joint=("pepe-b",)), said("pepe-b", quantity="other", joint=("pepe-a",))
    found = judged(claim, other, gain=GAIN, other=LOSS)
    assert (found.verdict, found.notes) == (PARTLY, ("pepe-b is not reproduced",))
    assert judged(claim, other, gain=GAIN, other=GAIN).verdict == REPRODUCED
    assert judged(claim, other, gain=GAIN).verdict == NOT_YET
    same_rule = said(joint=("second",))
    for second, expected in ((GAIN, REPRODUCED), (OPEN, UNDECIDED), (LOSS, PARTLY)):
        assert judged(same_rule, gain=GAIN, second=second).verdict == expected
    assert judged(same_rule, gain=GAIN).verdict == NOT_YET


def test_each_column_is_joined_with_its_own_part():
    """The code's gain is one of 0.1 and more than a constant answer's, the text's is a gain and less than that."""
    both = said(quantity_text="text/gain", joint=("above",))
    for above, text_above, expected in (
        (GAIN, LOSS, (CODE_ONLY, REPRODUCED, PARTLY)),
        (LOSS, GAIN, (TEXT_ONLY, PARTLY, REPRODUCED)),
        (GAIN, OPEN, (UNDECIDED, REPRODUCED, UNDECIDED)),
        (LOSS, LOSS, (PARTLY, PARTLY, PARTLY)),
    ):
        found = judged(both, **{"gain": GAIN, "text/gain": GAIN, "above": above, "text/above": text_above})
        assert (found.verdict, found.code, found.text) == expected
    assert judged(both, **{"gain": GAIN, "text/gain": GAIN, "above": GAIN}).verdict == NOT_YET
    other = said(quantity_text="elsewhere", joint=("above",))  # a text that has no column of keys: the part is shared
    assert judged(other, **{"gain": GAIN, "elsewhere": GAIN, "above": LOSS}).verdict == PARTLY


def test_one_network_is_partly_at_most():
    one = at(0.1, 0.05, 0.15, units=1, basis="1 network, 10,000 images")
    found = judged(said(), gain=one)
    assert (found.verdict, found.notes) == (PARTLY, ("it rests on one network, world or data set",))
    for estimate, expected in ((GAIN, REPRODUCED), (at(0.1, 0.05, 0.15, sd=0.1, seeds=3), REPRODUCED)):
        assert judged(said(), gain=estimate).verdict == expected
    failed, by_construction = at(-0.1, units=1), said(kind=claims.CONSTRUCTION)
    assert judged(said(), gain=failed).verdict == judged(by_construction, gain=failed).verdict == NOT_REPRODUCED
    assert any("does not show that it fails elsewhere" in note for note in judged(said(), gain=failed).notes)
    assert not any("elsewhere" in note for note in judged(by_construction, gain=failed).notes)
    assert not any("elsewhere" in note for note in judged(said(), gain=at(-0.1, units=2)).notes)
    assert judged(said(quantity_text="text"), gain=GAIN, text=one).verdict == PARTLY


def test_holm_undecides_what_the_family_could_give_by_chance():
    """z = 2.2 has p = 0.028: by itself it is called, among three comparisons 0.028 x 2 where another one is clear."""
    weak, clear, nothing = (at(0.05 * z, 0.05 * (z - 1.96), 0.05 * (z + 1.96)) for z in (2.2, 9.0, 0.1))
    alone = said(holm=True, family="f")
    others = [said(f"pepe-{key}", quantity=key, holm=True, family="f") for key in ("clear", "nothing")]
    found = judged(alone, *others, gain=weak, clear=clear, nothing=nothing)
    assert (found.verdict, found.notes) == (UNDECIDED, ("p = 0.056 by Holm over 3 comparisons",))
    assert judged(alone, gain=weak).verdict == REPRODUCED
    assert judged(said(family="f"), *others, gain=weak, clear=clear, nothing=nothing).verdict == REPRODUCED
    strangers = [said(f"pepe-{key}", quantity=key, holm=True, family="g") for key in ("clear", "nothing")]
    assert judged(alone, *strangers, gain=weak, clear=clear, nothing=nothing).verdict == REPRODUCED
    assert judged(others[0], alone, others[1], gain=weak, clear=clear, nothing=nothing).verdict == REPRODUCED


@pytest.mark.parametrize(
    ("estimate", "rule", "notes"),
    [
        (NONE, "positive", ("no effect: wholly within ±0.02",)),
        (at(0.01, 0.005, 0.015), "positive", ("no effect: wholly within ±0.02",)),
        (at(-0.01, -0.015, -0.005), "negative", ("no effect: wholly within ±0.02",)),
        (at(-0.02, -0.05, 0.01), "positive", ("an effect of 0.02 is excluded",)),
        (at(0.02, -0.01, 0.05), "negative", ("an effect of 0.02 is excluded",)),
        (LOSS, "positive", ()),
        (GAIN, "positive", ()),
        (OPEN, "positive", ()),
        (GAIN, "equivalent", ()),
    ],
)
def test_a_decided_nothing_says_so(estimate, rule, notes):
    assert judged(said(rule=rule), gain=estimate).notes == notes


def test_a_number_among_the_alternatives_is_as_uncertain_as_ours():
    """Printed 0.15 with two decimals; ours 0.14, and chance 0.1, each known to within 0.02 or 0.06."""
    for half, expected in ((0.02, REPRODUCED), (0.06, UNDECIDED)):
        ours = at(0.14, 0.14 - half, 0.14 + half)
        asked = {"value": 0.15, "decimals": 2, "alternatives": [0.1]}
        claim = said(rule="matches", parameters=asked)
        assert claims.judge(claim, {"gain": ours}) == expected
        [chance] = claims.alternatives(claim, {"gain": ours})
        assert (chance.value, chance.low, chance.high) == pytest.approx((0.1, 0.1 - half, 0.1 + half))
    named = said(rule="matches", parameters={"value": 0.15, "decimals": 2, "alternatives": ["wrong"]})
    assert claims.judge(named, {"gain": ours, "wrong": at(0.15)}) == UNDECIDED
    assert claims.judge(named, {"gain": ours, "wrong": at(0.4)}) == REPRODUCED
    assert claims.judge(named, {"gain": ours}) == NOT_YET


def test_a_number_that_nothing_else_could_give_is_not_reproduced_by_silence():
    """However wide the interval: without a wrong answer to tell it from, nothing is decided for it."""
    claim = said(rule="matches", parameters={"value": 0.15, "decimals": 2})
    found = judged(claim, gain=at(0.14, 0.0, 0.3))
    assert (found.verdict, found.notes) == (
        UNDECIDED, ("no wrong answer is named that the number could be told from",),
    )  # fmt: skip
    assert judged(claim, gain=at(0.5)).verdict == NOT_REPRODUCED
