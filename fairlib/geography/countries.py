"""Countries and their GDP per head: Natural Earth's figures, or the World Bank's."""

import json
import urllib.request
from urllib.error import URLError

import pandas as pd

from fairlib import checks, files

SOURCES = ("natural-earth", "world-bank")
# GDP per head in US dollars of 2015, the series that the World Bank calls constant.
INDICATOR = "NY.GDP.PCAP.KD"
WORLD_BANK = "https://api.worldbank.org/v2/country/all/indicator/{indicator}?format=json&per_page=20000&date={year}"
FIRST_YEAR = 1960  # that the World Bank has


def countries() -> pd.DataFrame:
    """Read the table of countries, `data/tables/gdp.csv` (provenance: `data/README.md`).

    Returns
    -------
    DataFrame
        By ISO 3166-1 alpha-3 code `iso3`: `iso2`, `name`, `aliases` (a list), `population`, `gdp` (millions of US
        dollars, mostly of 2019). The last two are NaN for countries that Natural Earth leaves out at this scale.
    """
    path = files.checked("tables/gdp.csv")
    # Namibia's code is NA.
    table = pd.read_csv(path, index_col="iso3", keep_default_na=False, na_values={"population": "", "gdp": ""})
    return table.assign(aliases=[[alias for alias in text.split(";") if alias] for text in table["aliases"]])


def gdp(source: str = "natural-earth", *, year: int = 2019, url: str = WORLD_BANK) -> pd.Series:
    """Return GDP per head in US dollars, by alpha-3 code; countries without a figure are left out.

    Parameters
    ----------
    source : {'natural-earth', 'world-bank'}
        `natural-earth`: shipped with the book, one year (about 2019). `world-bank`: constant dollars of 2015, fetched
        once for each year and kept in `data/cache`, which is no part of the repository.
    year : int >= 1960
        Of the World Bank's figures.
    url : str
        The World Bank's address, with places for `indicator` and `year`.

    Returns
    -------
    Series
        Named `gdp`, by the codes of `countries`.

    Raises
    ------
    ValueError
        For another source, a year without figures, or an answer that is no such table.
    FileNotFoundError
        When the network is needed and missing.

    Examples
    --------
    >>> float(gdp()["NOR"].round())
    75420.0
    """
    checks.whole(year, "year", FIRST_YEAR)
    table = countries()
    if checks.one_of(source, SOURCES, "source") == "world-bank":
        return _world_bank(year, url).filter(table.index)
    return (1e6 * table["gdp"] / table["population"]).dropna().rename("gdp")


def _world_bank(year: int, url: str) -> pd.Series:
    """The World Bank's figures of a year, from `data/cache` or else fetched and kept there."""
    path = files.root() / "cache" / f"world-bank-{INDICATOR}-{year}.json"
    if path.exists():
        return _figures(path.read_text(encoding="utf-8"), f"{path}; delete it to fetch it again: it", year)
    try:
        with urllib.request.urlopen(url.format(indicator=INDICATOR, year=year), timeout=20) as response:
            text = response.read().decode("utf-8")
    except (URLError, OSError) as error:
        raise FileNotFoundError(
            f"the World Bank's figures of {year} could not be fetched ({error}); try again with a network, or use "
            "source='natural-earth', which needs none"
        ) from error
    figures = _figures(text, "the World Bank's answer", year)
    with files.replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return figures


def _figures(text: str, what: str, year: int) -> pd.Series:
    """The answer of the World Bank's API, [facts, [row, ...]], as a series by alpha-3 code."""
    try:
        facts, rows = json.loads(text)
        if facts["pages"] != 1:
            raise ValueError(f"{facts['pages']} pages, expected all rows on one")
        figures = {row["countryiso3code"]: float(row["value"]) for row in rows or [] if row["value"] is not None}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{what} is no table of GDP per head ({error!r})") from error
    if not figures:
        raise ValueError(f"{what} has no figures for {year}; ask for an earlier year")
    return pd.Series(figures, name="gdp")
