"""The page's sentences on hand-made effects: each branch, and what is not counted."""

import pandas as pd
import pytest

from fairlib.book.experiments import table1
from fairlib.book.experiments.ambiguities_hua import told
from fairlib.book.experiments.ambiguities_hua.choices import COLUMNS

TOPICS = pd.Series({row: f"Topic {row}" for row in range(1, 40)})


def frame(*rows: tuple) -> pd.DataFrame:
    """Effects of (row, role, variant, value, low, high), over ten images of ten; a dictionary alters them."""
    found = []
    for row, role, variant, value, low, high, *more in rows:
        plain = {"measure": "some", "outcome": "LPIPS", "kind": "times", "n": 10, "of": 10, "off_levels": False}
        own = {"row": row, "role": role, "variant": variant, "value": value, "low": low, "high": high}
        found.append(plain | own | dict(*more))
    return pd.DataFrame(found, columns=COLUMNS)


EFFECTS = frame(
    (3, "reading", "longer", 2.0, 1.8, 2.5),
    (4, "reading", "rounded", 0.1, 0.05, 0.2, {"n": 4}),  # a selection: the largest, and not counted
    (5, "reading", "unsure", 2.0, 0.9, 4.0),
    (6, "reading", "slight", 1.4, 1.3, 1.45),
    (7, "printed", "a = 5", 2.0, 1.9, 2.1),
    (8, "scale", "lambda = 10, Alg. 1", 0.98, 0.9, 1.0),
    (8, "scale", "lambda = 1000, Alg. 1", 3.0, 2.0, 4.0),
    (8, "scale", "lambda = 10000, Alg. 1", 9.0, 8.0, 9.5),
    (14, "reading", "no start", 0.1, 0.08, 0.2, {"off_levels": True}),
    (15, "ruler", "AlexNet", 0.1, 0.05, 0.2),
    (16, "reading", "another outcome", 9.0, 8.0, 10.0, {"outcome": "success", "kind": "share"}),
)


def test_rows_in_words():
    assert told.rows(EFFECTS[EFFECTS["row"] < 3]) == "no row"
    assert told.rows(EFFECTS[EFFECTS["row"] == 8]) == "row 8"
    assert told.rows(EFFECTS[EFFECTS["row"] < 6]) == "rows 3, 4 and 5"


def test_what_is_counted():
    """By hand: 3 and 14 of the readings; each other role apart."""
    said = told.readings(EFFECTS, TOPICS)
    assert said.startswith("2 open readings") and "excludes 1: rows 3 and 14." in said
    assert "as they are: LPIPS × 2.00 [1.80, 2.50] (longer; 10 images), row 3, topic 3." in said
    assert (
        "Further from 1 is LPIPS × 0.10 [0.08, 0.20] (no start; 10 images, not rounded to 256 levels), row 14" in said
    )
    assert "(row 8), from $\\lambda$ = 1,000 on" in said
    assert "side by side (row 7)" in said and "same pictures (row 15)" in said
    assert "Nearer to 1 is" in told.readings(EFFECTS.replace({"value": {0.1: 0.6}, "high": {0.2: 0.7}}), TOPICS)
    nothing = told.readings(EFFECTS[EFFECTS["row"] == 6], TOPICS)
    assert nothing.startswith("0 open readings") and "excludes 1: no row." in nothing and "largest" not in nothing


def test_what_is_drawn():
    shown = told.drawn(EFFECTS)
    roles = ["14  no start", "3  longer", "5  unsure", "6  slight", "8  lambda = 10000, Alg. 1", "7  printed: a = 5"]
    assert shown["label"].tolist() == [*roles, "15  ruler: AlexNet"]
    assert {*shown["series"]} == {"LPIPS"}


def test_where_a_scale_begins():
    said = told.scale(EFFECTS)
    assert "is 1,000, LPIPS × 3.00" in said and said.endswith("below it the factors are 0.98 to 0.98.")
    assert told.scale(EFFECTS[EFFECTS["value"] < 1]) == "none that was tried changes a distance by a factor of 1.5."


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(2, 4, (2, 4)), (0.25, 0.5, (2, 4)), (0.5, 4, (1, 4)), (0.125, 2, (1, 8))]
)
def test_how_far_an_interval_misses_one(low, high, expected):
    assert told.misses(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("vgg", "alex", "told_so"),
    [
        (
            (2.4, 2.0, 2.8),
            (0.1, 0.08, 0.15),
            "fits better; these intervals overlap",
        ),  # misses by 2 to 2.8, and 1 / 0.42 = 2.4 to 6.3
        ((2.4, 2.0, 2.8), (0.1, 0.08, 0.12), "fits better; these intervals lie apart"),  # 1 / 0.336 = 3.0
        ((8.0, 7.0, 9.0), (0.1, 0.09, 0.11), "fits worse; these intervals lie apart"),
        ((2.0, 1.5, 2.5), (0.25, 0.2, 0.3), "fits about as well; these intervals overlap"),
    ],
)
def test_which_network_the_printed_size_fits(vgg, alex, told_so):
    own = (1, "reading", "LPIPS of PGD in this book's whole run over the printed one", *vgg)
    effects = frame((*own, {"kind": "number"}), (15, "ruler", "AlexNet over VGG", *alex, {"measure": "backbone"}))
    assert f"So VGG16 {told_so}." in told.ruler(effects)
    assert f"paper prints {table1.published().loc['pgd', 'LPIPS']}" in told.ruler(effects[:1])


@pytest.mark.parametrize(("bare", "end"), [((-0.51, -0.49), "holds it: that is"), ((-0.53, -0.51), "leaves it out.")])
def test_the_exponent(bare, end):
    number = {"kind": "number"}
    raw = (26, "reading", "raw", -0.54, -0.55, -0.53, number | {"measure": "trust:world/variance_exponent"})
    other = (26, "reading", "bare", sum(bare) / 2, *bare, number | {"measure": "exponent"})
    said = told.exponent(frame(raw, other))
    assert "leaves out -0.5" in said and end in said
