"""The numbers of a table against their definitions, and labels that may not be the model's."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audited import COUNTRIES, expected, report_at, run
from bs4 import BeautifulSoup
from statsmodels.stats.proportion import proportion_confint

from fairlib import intervals
from fairlib.audit.report import analyse, detectable_slopes, jsonable, label_warnings


def shift(by: int) -> None:
    manifest = Path("set/manifest.csv")
    manifest.write_text(re.sub(r"(?<=,)\d(?=,)", lambda m: str(int(m[0]) + by), manifest.read_text()))


def test_labels_counted_from_1_are_noticed(house, capsys):
    shift(1)
    assert run(model="own_model:longer") == 0
    warnings = report_at()["warnings"]
    low, high = proportion_confint(32, 43, method="wilson")
    assert warnings[0].startswith(
        f"With -1 added to every label the accuracy would be {32 / 43:.3f} [{low:.3f}, {high:.3f}], not "
        f"{report_at()['accuracy']:.3f} ["
    )
    assert "are they counted from 1?" in warnings[0]
    assert [f"warning: {w}" for w in warnings] == capsys.readouterr().err.splitlines()
    main = BeautifulSoup(Path("report.html").read_text(), "html.parser").main
    assert main.h1.find_next_sibling().text == f"Warning: {warnings[0]}"


def test_a_class_in_front_is_noticed_even_where_the_audit_ends_there(house, capsys):
    assert run(model="own_model:behind") == 2
    said = capsys.readouterr().err
    assert f"With +1 added to every label the accuracy would be {32 / 43:.3f}" in said
    assert "wrong on all 43 images" in said


def test_sound_labels_raise_no_warning(house, capsys):
    run()
    assert report_at()["warnings"] == []
    assert not capsys.readouterr().err
    assert "Warning" not in Path("report.html").read_text()


def test_a_warning_does_not_change_the_exit_status(house):
    shift(1)
    assert run("--fail-if", "accuracy<0.5", model="own_model:longer") == 1
    assert run("--fail-if", "accuracy>0.5", model="own_model:longer") == 0


def test_labels_move_only_for_a_clear_gain():
    labels = [(i % 5,) for i in range(100)]
    for moved in range(101):
        predicted = np.array([label - (i < moved) for i, (label,) in enumerate(labels)]) % 1_000
        gained = sum(label > 0 for (label,) in labels[:moved])  # label 0 cannot be moved to -1
        clear = intervals.paired(gained, 100 - moved, 100)[1] > 0
        assert any("With -1" in text for text in label_warnings(predicted, labels, 1_000)) == clear


def test_several_right_labels_move_as_a_whole():
    labels, predicted = [(1, 3)] * 30 + [(5,)] * 10, np.array([0, 2] * 15 + [5] * 10)
    (said,) = label_warnings(predicted, labels, 1_000)
    low, high = proportion_confint(30, 40, method="wilson")
    assert f"With -1 added to every label the accuracy would be 0.750 [{low:.3f}, {high:.3f}], not 0.250" in said
    (said,) = label_warnings(np.array([2, 4] * 15 + [5] * 10), labels, 1_000)
    assert "With +1 added to every label the accuracy would be 0.750" in said


@pytest.mark.parametrize(("classes", "those"), [(4, (0,)), (8, (0, 1)), (8, (0, 1, 1))])
def test_an_accuracy_is_held_against_chance(classes, those):
    for right in range(101):
        predicted = np.array([0] * right + [3] * (100 - right))
        said = label_warnings(predicted, [those] * 100, classes)
        low = proportion_confint(right, 100, method="wilson")[0]
        assert any("is not above chance, 0.250" in text for text in said) == (low <= 0.25)


def test_a_report_is_json_whatever_the_table():
    table = expected().assign(name=list(COUNTRIES), low=0.0, high=1.0)
    for part in (table, table.head(3)):
        text = json.dumps(jsonable(analyse(part, worlds=20)), allow_nan=False)
        assert json.loads(text)["slope"]["df"] == len(part) - 2
    perfect = table.assign(accuracy=[0.5, 0.5, 0.5, 0.5, 0.5, 1.0], right=0)
    json.dumps(jsonable(analyse(perfect, worlds=20)), allow_nan=False)
    assert jsonable({"a": [float("nan"), np.int64(3), (np.float64("inf"),)]}) == {"a": [None, 3, [None]]}


def test_what_could_have_been_found_bears_its_simulation_error():
    slopes = detectable_slopes(expected(), 0.05, 0.01, worlds=400, seed=1)  # a reach that is too short at first
    curve = pd.DataFrame(slopes["curve"])
    assert curve["slope"].max() > 0.01 and (curve["high"] > curve["share"]).any()
    low, at, high = (slopes[name] for name in ("detectable_low", "detectable", "detectable_high"))
    assert 0 < low < at < high < curve["slope"].max()
    many = detectable_slopes(expected(), 0.05, 0.01, worlds=5_000, seed=2)["detectable"]
    assert low < many < high
    again = detectable_slopes(expected(), 0.05, 0.01, worlds=3_600, seed=1)
    assert again["detectable_high"] - again["detectable_low"] < (high - low) / 2


def test_what_a_slope_amounts_to_has_the_slopes_interval():
    table = expected().assign(name=list(COUNTRIES), low=0.0, high=1.0)
    said = analyse(table, worlds=20)
    slope, effect = said["slope"], said["effect"]
    for name in ("doubling", "gap"):
        scale = effect[name] / slope["slope"]
        assert [effect[f"{name}_{end}"] for end in ("low", "high")] == pytest.approx(
            [scale * slope[e] for e in ("low", "high")]
        )
    assert said["accuracy"] == pytest.approx(32 / 43)
    assert (said["accuracy_low"], said["accuracy_high"]) == pytest.approx(proportion_confint(32, 43, method="wilson"))
