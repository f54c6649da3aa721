"""The table of an audit's images, against counting by hand."""

import numpy as np
import pandas as pd
import pytest

from fairlib import geography
from fairlib.audit.images import beside_class, classes_table, countries_table, hits, images_table
from fairlib.audit.predictions import Predictions


@pytest.fixture
def table():
    rows = pd.DataFrame(
        {
            "line": [2, 3, 4, 5],
            "path": ["a", "b", "c", "d"],
            "labels": [(0,), (1, 2), (1,), (0,)],
            "country": ["PER", "NOR", "PER", "NOR"],
            "class": ["soap", "stove", "stove", "soap"],
        }
    )
    manifest = geography.Manifest(None, rows, None, frozenset(), {})
    top = np.array([[0, 3, -1], [2, 0, 1], [0, 1, 2], [-1, -1, -1]])
    predictions = Predictions(top, np.array([0.9, 0.8, 0.6, np.nan]), {"d": "broken"}, 0, {"classes": 4}, {})
    return images_table(manifest, predictions, pd.Series({"PER": 8.0, "NOR": 11.0}))


def test_each_image_has_its_answer(table):
    assert table["path"].tolist() == ["a", "b", "c"]
    assert table["right"].tolist() == [True, True, False] and table["right_in_top_5"].all()
    assert table["top"].tolist() == [(0, 3), (2, 0, 1), (0, 1, 2)]
    assert table["log_wealth"].tolist() == [8.0, 11.0, 8.0] and table["name"].tolist() == ["Peru", "Norway", "Peru"]
    assert hits(np.array([1, 2]), [(1,), (1,)]).tolist() == [True, False]


def test_countries_and_classes_are_counted(table):
    countries = countries_table(table)
    assert countries.loc["PER", ["n", "right", "right_in_top_5"]].tolist() == [2, 1, 2]
    assert countries.loc["PER", "confidence"] == pytest.approx(0.75)
    classes = classes_table(table)
    assert classes.loc["stove", ["n", "right", "countries"]].tolist() == [2, 1, 2]


def test_a_country_is_set_beside_its_classes(table):
    beside = beside_class(table)
    assert beside.loc["NOR", ["n", "wealthier", "more_accurate"]].tolist() == [1, 1.5, 0.5]
    assert beside.loc["PER", ["n", "wealthier", "more_accurate"]].tolist() == [2, -0.75, -0.25]
