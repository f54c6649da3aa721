"""A user's own figures of wealth: a number per country or region, from a file."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fairlib import listings
from fairlib.geography.countries import countries
from fairlib.geography.names import match

PLACES = ("country", "region")


def wealth(path: Path | str) -> pd.Series:
    """Read how wealthy countries or regions are.

    Parameters
    ----------
    path : path or str
        A CSV file (`fairlib.listings.lines`) with the columns `country` or `region`, and `wealth`: a positive number,
        in one currency for all. An empty cell stands for a figure that is not known.

    Returns
    -------
    Series
        Named `wealth`; by alpha-3 code where `fairlib.geography.match` knows the country, else by the name as written,
        which is taken for a region's.

    Raises
    ------
    FileNotFoundError
        When there is no file.
    ValueError
        When a column is missing, a figure is no positive number, a place is there twice, or no figure is there at all.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}; give a CSV file with the columns country and wealth")
    (_, first), *lines = list(listings.lines(path)) or [(1, [])]
    heads = [head.lower() for head in first]
    place_heads = [head for head in PLACES if head in heads]
    if not place_heads or heads.count("wealth") != 1:
        raise ValueError(
            f"the first line of {path} is {listings.shortened(','.join(first))!r}, expected the columns country (or "
            "region) and wealth once each, with commas between them"
        )
    place_at, wealth_at = heads.index(place_heads[0]), heads.index("wealth")
    if ragged := [line for line, cells in lines if len(cells) != len(heads)]:
        raise ValueError(f"{path}, line {ragged[0]}: expected {len(heads)} cells, as in the first line")
    codes, _ = match(cells[place_at] for _, cells in lines)
    figures: dict[str, float] = {}
    for line, cells in lines:
        place = codes.get(cells[place_at], cells[place_at])
        if place in figures:
            raise ValueError(f"{path}, line {line}: {cells[place_at]!r} is there twice; keep one")
        try:
            if cells[wealth_at]:
                figures[place] = listings.positive_number(cells[wealth_at], "wealth")
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}, or leave the cell empty") from error
    if not figures:
        raise ValueError(f"{path} has no figure; write a positive number into the column wealth")
    return pd.Series(figures, name="wealth")


def without_wealth(figures: pd.Series, places: Iterable[str]) -> list[str]:
    """Name the countries and regions that figures of wealth lack.

    Parameters
    ----------
    figures : Series
        As `wealth` or `fairlib.geography.gdp` returns them.
    places : iterable of str
        Alpha-3 codes and names of regions, such as `Manifest.named`.

    Returns
    -------
    list of str
        In alphabetical order, countries by their names in English.

    Examples
    --------
    >>> without_wealth(pd.Series({"PER": 1200.0}), ["PER", "TCD", "Atlantis"])
    ['Atlantis', 'Chad']
    """
    names = countries()["name"]
    return sorted(names.get(place, place) for place in set(places) - set(figures.index))
