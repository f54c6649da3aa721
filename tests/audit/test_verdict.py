"""The verdict on made worlds whose truth is known, what it needs, and what it says of tests that disagree."""

import numpy as np
import pandas as pd
import pytest
from audited import report_at, run
from made_images import world

from fairlib import fairness
from fairlib.audit import verdict
from fairlib.audit.conditions import condition
from fairlib.audit.images import countries_table
from fairlib.audit.report import analyse
from fairlib.audit.verdict import ESTABLISHED, NOT_ESTABLISHED, TOO_FEW, decide, judge
from fairlib.audit.words import headline, summary


def images(seed: int = 0, **options) -> pd.DataFrame:
    """A made world as the audit's table of images."""
    made = world(seed, **options)
    table = pd.DataFrame({"class": made["classes"], "country": made["countries"], "name": made["countries"]})
    return table.assign(
        right=made["right"], log_wealth=made["log_wealth"], right_in_top_5=made["right"], confidence=0.5
    )


def judged(table: pd.DataFrame, **options) -> tuple[dict, dict]:
    report = analyse(countries_table(table), worlds=20)
    report |= {"images": {"skipped": 0}, "without_images": [], "groups": [], "verdict": judge(table, report, **options)}
    return report["verdict"], report


def test_a_mix_of_classes_is_not_taken_for_a_slope():
    found, report = judged(images(3, countries=20, images=4_000, mix=True))
    assert found["outcome"] == NOT_ESTABLISHED
    assert report["slope"]["p"] < 0.01 < 0.05 < found["between"]["p"]
    assert found["explained"] > 0.02
    assert "The two slopes disagree" in found["warnings"][0] and "mix" in found["warnings"][0]
    assert "no slope is established" in headline(report) and "do not agree; see the warnings" in summary(report)
    assert not condition("established").met(report) and condition("slope_low>0").met(report)


@pytest.mark.parametrize(("slope", "words"), [(0.06, "the more accurate"), (-0.06, "the less accurate")])
def test_a_slope_within_classes_is_established(slope, words):
    found, report = judged(images(1, countries=20, images=4_000, slope=slope))
    assert found["outcome"] == ESTABLISHED and found["warnings"] == []
    assert words in headline(report) and f"slope {report['slope']['slope']:.3f}".replace("-", "−") in summary(report)
    assert condition("established").met(report)
    assert condition(f"within_slope{'>' if slope > 0 else '<'}0").met(report)


def test_the_primary_slope_is_that_of_the_package():
    table = images(2, slope=0.05)
    found, _ = judged(table)
    own = fairness.within_class(table["right"], table["log_wealth"], table["class"], table["country"])["between"]
    assert (found["between"]["slope"], found["between"]["se"], found["between"]["df"]) == (
        own.slope, own.standard_error, own.degrees_of_freedom,
    )  # fmt: skip
    assert found["term"] == "between" and found["within"] is None


def test_opposite_signs_establish_nothing():
    table = images(1, countries=20, images=4_000, slope=0.06)
    report = analyse(countries_table(table), worlds=20)
    turned = report | {"slope": report["slope"] | {"slope": -0.01, "p": 0.3}}
    found = judge(table, turned)
    assert found["outcome"] == NOT_ESTABLISHED and "opposite signs" in found["warnings"][0]


def test_the_decision_needs_no_report():
    """The verdict that is printed, from the images and the raw slope alone."""
    table = images(1, countries=20, images=4_000, slope=0.06)
    found, report = judged(table)
    raw = report["slope"]["slope"]
    decision = decide(table, raw)
    assert (decision.outcome, decision.term, decision.too_few) == (ESTABLISHED, "between", []) == (
        found["outcome"], found["term"], found["too_few"],
    )  # fmt: skip
    assert decision.slopes["between"].p_value == found["between"]["p"]
    assert decide(table, -raw).outcome == NOT_ESTABLISHED and decide(table, None).outcome == ESTABLISHED
    assert decide(table, raw, fairness.Least(countries=21)).outcome == TOO_FEW
    assert decide(images(1, countries=20, images=4_000), raw).outcome == NOT_ESTABLISHED


def test_two_right_answers_of_sixty_are_too_few():
    table = images(0, images=60)
    table["right"] = [True, True] + [False] * 58
    table["right_in_top_5"] = table["right"]
    found, report = judged(table)
    assert found["outcome"] == TOO_FEW
    assert any("2 right answers among 60 images" in text and "what would suffice" in text for text in found["too_few"])
    assert headline(report).startswith("Too few images to say: ")
    assert not condition("established").met(report)


def test_classes_that_no_two_countries_share_leave_nothing_to_say():
    table = images(0)
    table["class"] = table["country"]
    found, report = judged(table)
    assert found["outcome"] == TOO_FEW and found["between"] is None
    assert found["overlap"]["shared_images"] == 0
    assert condition("within_slope>0").met(report) is False


def test_tests_of_the_raw_slope_that_disagree_are_named():
    _, report = judged(images(1))
    values = [0.049, 0.14, 0.3, 0.2, 0.6]
    tests = [test | {"p": p} for test, p in zip(report["tests"], values, strict=True)]
    said = verdict.disagreeing({"tests": tests, "permutation": {"p": 0.2}})
    assert "1 of 6 reject, p from 0.049 to 0.600" in said
    assert verdict.disagreeing({"tests": tests[1:], "permutation": {"p": 0.2}}) == ""


def test_own_wealth_gives_slopes_within_and_between_apart():
    table = images(5, countries=10, images=3_000)
    rng = np.random.default_rng(0)
    household = rng.integers(30, size=len(table))
    above = rng.standard_normal((10, 30))[table["country"].str.removeprefix("country ").astype(int), household]
    table["log_wealth"] += above
    table["cluster"] = household.astype(str)
    table["right"] = rng.random(len(table)) < 0.5 + 0.1 * np.clip(above, -2, 2)
    found, _ = judged(table)
    assert found["within"]["p"] < 0.001 and abs(found["within"]["slope"] - 0.1) < 0.03
    assert found["between"]["low"] < 0 < found["between"]["high"] and found["term"] == "between"
    few = table[table["country"].isin(["country 0", "country 1"])]
    found = judge(few, {"slope": None, "tests": [], "permutation": None})
    assert found["term"] == "within" and found["outcome"] == ESTABLISHED and found["between"] is None


def test_too_few_images_end_with_a_status_of_their_own(house, monkeypatch, capsys):
    monkeypatch.setattr(verdict, "LEAST", fairness.Least())
    assert run("--fail-if", "accuracy>0") == 3
    assert "Too few images to say" in capsys.readouterr().out
    assert report_at()["verdict"]["outcome"] == TOO_FEW
    assert report_at()["conditions"][0]["met"]


def test_what_is_established_fails_the_audit(house, capsys):
    assert run("--fail-if", "established") == 1
    assert "Condition met: established" in capsys.readouterr().out
    assert report_at()["verdict"]["outcome"] == ESTABLISHED
