"""How often the rules are right, by counting what they say of simulated papers, and by closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from book.claims.hand_made import TEN, at
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fairlib.book import claims
from fairlib.book.claims import REPRODUCED, RULES, Claim
from fairlib.book.claims import power as module

MINE, DATA, NET = (
    "LeNet5/MNIST/defended/eps=0.1",
    "LeNet5/FashionMNIST/defended/eps=0.1",
    "FullyConnected/MNIST/defended/eps=0.1",
)


def said(rule="matches", **parameters) -> Claim:
    return Claim("pepe-a", "pepe", "Table 1", "It is.", "fgsm", rule, MINE, parameters=parameters)


CELL = {"value": 0.42, "decimals": 2, "n": 150}


def test_another_training_is_reproduced_as_often_as_simulated():
    """Trainings, a binomial draw of images, and the paper's rounding, each simulated on its own."""
    far = {MINE: TEN, DATA: at(0.55), NET: at(0.9)}
    claim = said(**CELL, alternatives=[DATA, NET])
    random = np.random.default_rng(1)
    trainings = TEN.value + TEN.sd * np.sqrt(1.1) * random.standard_t(9, 4000)
    printed = np.round(random.binomial(150, trainings.clip(0, 1)) / 150, 2)
    others = [far[DATA], far[NET]]
    verdicts = [claims.matches(TEN, value=v, decimals=2, n=150, alternatives=others) for v in np.unique(printed)]
    share = np.isin(printed, np.unique(printed)[np.array(verdicts) == REPRODUCED]).mean()
    assert 0.5 < share < 0.9
    assert claims.sensitivity(claim, far) == pytest.approx(share, abs=0.03)


def test_where_the_wrong_answer_is_far_it_is_what_the_interval_says():
    far = {"alternatives": [NET]}
    assert claims.sensitivity(said(**CELL, **far), {MINE: TEN, NET: at(0.9)}) == pytest.approx(0.96, abs=0.015)
    one = {MINE: at(600.0, 590.0, 615.0), NET: at(9.0)}
    assert claims.sensitivity(said(value=600, decimals=2, **far), one) == pytest.approx(0.95, abs=0.015)
    assert claims.sensitivity(said(**CELL), {MINE: TEN}) == 0  # it is never told from anything
    assert claims.sensitivity(said(**CELL, alternatives=[DATA]), {MINE: TEN, DATA: TEN}) == 0
    ranged = said("matches_range", low=0.40, high=0.50, decimals=2, n=150, **far)
    assert claims.sensitivity(ranged, {MINE: TEN, NET: at(0.9)}) == pytest.approx(0.999, abs=0.002)
    assert claims.sensitivity(ranged, one) == claims.sensitivity(ranged, one)  # a fixed seed


def test_the_wrong_answer_is_judged_with_ours_as_its_alternative():
    asked = said(**CELL, alternatives=[DATA, NET, 0.1])
    right = {MINE: at(0.42), DATA: at(0.7), NET: at(0.9)}
    nobody = {"the wrong data set": 0, "the wrong network": 0, "an untrained network": 0}
    assert claims.placebos(asked, right) == nobody
    assert claims.placebos(asked, {MINE: at(0.9), DATA: at(0.42), NET: at(0.7)}) == nobody | {"the wrong data set": 1}
    assert claims.placebos(asked, {MINE: at(0.9), DATA: at(0.7), NET: at(0.42)}) == nobody | {"the wrong network": 1}
    assert claims.placebos(asked, {MINE: at(0.9), DATA: at(0.42), NET: at(0.43)}) == nobody  # cannot tell
    low = said(**CELL | {"value": 0.11}, alternatives=[DATA, 0.1])
    assert claims.placebos(low, {MINE: at(0.9), DATA: at(0.7)})["an untrained network"] == 1
    method = replace(
        asked, quantity="pgd/L1", parameters={"value": 600.0, "decimals": 2, "alternatives": ["a/L1", "b/L1"]}
    )
    assert claims.placebos(method, {"pgd/L1": at(1.0), "a/L1": at(600.0), "b/L1": at(2.0)}) == {"another method": 0.5}
    assert claims.placebos(said("equals", value=1, decimals=2), {MINE: at(1.0)}) == {}


def ignores_alternatives(estimate, **parameters):
    """The rule for cells as it must not be."""
    return claims.matches(estimate, **parameters | {"alternatives": ()})


def test_the_placebo_finds_a_rule_without_power(monkeypatch):
    asked = said(**CELL, alternatives=[DATA, NET])
    alike = {MINE: at(0.42, 0.35, 0.49), DATA: at(0.45, 0.38, 0.52), NET: at(0.40, 0.33, 0.47)}
    assert sum(claims.placebos(asked, alike).values()) == 0
    monkeypatch.setitem(module.RULES, "matches", ignores_alternatives)
    assert sum(claims.placebos(asked, alike).values()) == 2


@pytest.mark.parametrize("rule", ["positive", "negative", "orders", "equivalent"])
@pytest.mark.parametrize("error", [0.001, 0.01, 0.03])
def test_the_closed_forms_count_what_the_rule_says(rule, error):
    """The rule itself, asked of 4,000 estimates whose truth is the effect, and of as many without one."""
    half, smallest = stats.norm.ppf(0.975) * error, 0.02
    more = {"first": "a", "among": ["a", "b"]} if rule == "orders" else {}
    claim, sign = said(rule, smallest=smallest, **more), -1 if rule == "negative" else 1
    ours = {MINE: at(0.5, 0.5 - half, 0.5 + half)}
    draws = np.random.default_rng(0).normal(0, error, 4000)

    def share(truth):
        found = (RULES[rule](at(v, v - half, v + half), smallest=smallest, **more) for v in sign * truth + draws)
        return np.mean([verdict == REPRODUCED for verdict in found])

    there, nothing = (0.0, smallest) if rule == "equivalent" else (smallest, 0.0)
    assert claims.sensitivity(claim, ours) == pytest.approx(share(there), abs=0.02)
    (wrong,) = claims.placebos(claim, ours).values()
    assert wrong == pytest.approx(share(nothing), abs=0.01)
    assert wrong < 0.026


@given(st.floats(0.001, 0.2), st.floats(0.001, 0.2), st.floats(0, 0.2), st.sampled_from(["positive", "equivalent"]))
def test_a_wider_interval_can_tell_less_and_nobody_is_fooled(smallest, half, more, rule):
    claim = said(rule, smallest=smallest)
    narrow, wide = ({MINE: at(0.0, -h, h)} for h in (half, half + more))
    assert claims.sensitivity(claim, wide) <= claims.sensitivity(claim, narrow) + 1e-12
    for ours in (narrow, wide):
        assert all(p <= 0.025 + 1e-9 for p in claims.placebos(claim, ours).values())


def test_what_is_exact_is_always_told_and_what_has_no_effect_never():
    claim = said("positive", smallest=0.02)
    assert (claims.sensitivity(claim, {MINE: at(0.3)}), claims.placebos(claim, {MINE: at(0.3)})) == (
        1,
        {"no effect": 0},
    )
    assert np.isnan(claims.sensitivity(said("at_most", value=0.1), {MINE: at(0.3)}))
