"""Figures of wealth as people write them."""

from pathlib import Path

import pandas as pd
import pytest

from fairlib import geography


def write(folder: Path, text: str) -> Path:
    (folder / "wealth.csv").write_text(text, encoding="utf-8")
    return folder / "wealth.csv"


def test_countries_and_regions_have_figures(tmp_path):
    path = write(tmp_path, "Country;source;Wealth\nivory coast;me;1500.5\nPER;me;2e3\nEastAsia;me;9\nTchad;me;\n")
    pd.testing.assert_series_equal(
        geography.wealth(path), pd.Series({"CIV": 1500.5, "PER": 2000.0, "EastAsia": 9.0}, name="wealth")
    )
    assert list(geography.wealth(write(tmp_path, "region,wealth\nAfrica,1\n")).index) == ["Africa"]


def test_those_without_a_figure_are_named():
    figures = pd.Series({"PER": 1.0, "EastAsia": 2.0})
    assert geography.without_wealth(figures, ["PER", "TCD", "EastAsia", "Africa", "CIV"]) == [
        "Africa", "Chad", "Côte d'Ivoire",
    ]  # fmt: skip
    assert geography.without_wealth(figures, ["PER"]) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is '', expected the columns country"),
        ("country,gdp\nPeru,1\n", r"is 'country,gdp', expected the columns country \(or region\) and wealth once each"),
        ("country,wealth,wealth\nPeru,1,2\n", "once each"),
        ("country,wealth\nPeru\n", "line 2: expected 2 cells"),
        ("country,wealth\nPeru,1\nPER,2\n", "line 3: 'PER' is there twice"),
        ("country,wealth\nPeru,-1\n", "line 2: wealth '-1' is no positive number; .* or leave the cell empty"),
        ("country,wealth\nPeru,\n", "has no figure"),
    ],
)
def test_a_file_that_says_no_wealth_is_refused(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        geography.wealth(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file at .*gone\.csv; give a CSV file"):
        geography.wealth(tmp_path / "gone.csv")
