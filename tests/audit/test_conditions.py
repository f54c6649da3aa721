"""Conditions of `--fail-if` against Python's own comparisons, and what is none."""

import math
from pathlib import Path

import pytest
from audited import expected, report_at, run
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlib import fairness
from fairlib.audit.conditions import OPERATORS, QUANTITIES, condition


def test_conditions_decide_the_exit_status(house, capsys):
    slope = fairness.slope(expected()).slope
    assert run("--fail-if", f"slope>{slope - 0.001}", "--fail-if", "p<0") == 1
    assert [c["met"] for c in report_at()["conditions"]] == [True, False]
    assert f"Condition met: slope>{slope - 0.001}" in capsys.readouterr().out
    assert run("--fail-if", f"slope > {slope + 0.001}", "--fail-if", "worst<0.5") == 0
    assert run("--fail-if", "worst<=0.5") == 1
    assert run("--fail-if", "skipped>=0") == 1


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_condition_or_refused(text):
    try:
        given = condition(text)
    except ValueError:
        return
    assert given.quantity in QUANTITIES and given.sign in OPERATORS and math.isfinite(given.bound)


@given(st.sampled_from(list(OPERATORS)), st.floats(-1, 1), st.floats(-1, 1))
def test_a_condition_is_the_comparison(sign, value, bound):
    given = condition(f"accuracy {sign} {bound!r}")
    assert given.met({"accuracy": value}) == eval(f"{value!r} {sign} {bound!r}")
    assert not given.met({"accuracy": None})


@pytest.mark.parametrize(
    "text", ["slope", "slope=0.1", "slope>x", "slope>0.1 or 1", "__import__('os')>1", "slope>1;p>2", ""]
)
def test_what_is_no_condition_is_refused_before_anything_is_done(house, text, capsys):
    assert run("--fail-if", text) == 2
    assert "is no condition" in capsys.readouterr().err
    assert not Path("report.predictions.jsonl").exists()


def test_an_unknown_quantity_is_refused(house, capsys):
    assert run("--fail-if", "bias>0.1") == 2
    assert "the quantity of --fail-if is 'bias', expected one of: within_slope, within_low" in capsys.readouterr().err
