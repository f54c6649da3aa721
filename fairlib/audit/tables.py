"""What an audit writes for other programs: JSON, and CSV files whose cells no spreadsheet takes for a formula."""

import csv
import io
import json
from collections.abc import Mapping

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may run


def as_json(report: Mapping) -> str:
    """A report as the text of `REPORT.json`.

    Parameters
    ----------
    report : mapping
        As `fairlib.audit.jsonable` returns it; `fairlib/audit/schema.json` says what it holds.

    Returns
    -------
    str
    """
    return json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def csv_files(images: pd.DataFrame, countries: pd.DataFrame, classes: pd.DataFrame) -> dict[str, str]:
    """The tables of a report as CSV.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.
    countries : DataFrame
        As `countries_table` returns it.
    classes : DataFrame
        As `classes_table` returns it.

    Returns
    -------
    dict of str to str
        The text of each file, by its ending.
    """
    joined = images.assign(**{name: [";".join(map(str, each)) for each in images[name]] for name in ("labels", "top")})
    return {
        "images.csv": as_csv(joined),
        "countries.csv": as_csv(countries.reset_index(names="country")),
        "classes.csv": as_csv(classes.reset_index()),
    }


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV.

    Parameters
    ----------
    table : DataFrame
        Numbers and words.

    Returns
    -------
    str
        A word that a spreadsheet would run as a formula has an apostrophe in front; numbers are whole.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(safe, table.columns))
    for row in table.itertuples(index=False):
        writer.writerow(safe(cell) if isinstance(cell, str) else cell for cell in row)
    return text.getvalue()


def safe(cell: str) -> str:
    """A word that no spreadsheet takes for a formula.

    Parameters
    ----------
    cell : str
        As a user wrote it.

    Returns
    -------
    str
        With an apostrophe in front where it begins like a formula.

    Examples
    --------
    >>> safe("=1+1"), safe("stove")
    ("'=1+1", 'stove')
    """
    return f"'{cell}" if cell.lstrip(" \n").startswith(FORMULA) else cell
