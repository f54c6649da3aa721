"""What an audit writes for other programs: JSON, and CSV files whose cells no spreadsheet takes for a formula."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

import pandas as pd

from fairlib import listings


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


def csv_files(
    images: pd.DataFrame, countries: pd.DataFrame, classes: pd.DataFrame, groups: Sequence[Mapping]
) -> dict[str, str]:
    """The tables of a report as CSV.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.
    countries : DataFrame
        As `countries_table` returns it.
    classes : DataFrame
        As `classes_table` returns it.
    groups : sequence of mapping
        As `compare_groups` returns them.

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
        "groups.csv": as_csv(pd.DataFrame([{"by": each["by"], **row} for each in groups for row in each["rows"]])),
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
    writer.writerow(map(listings.harmless, table.columns))
    for row in table.itertuples(index=False):
        writer.writerow(listings.harmless(cell) if isinstance(cell, str) else cell for cell in row)
    return text.getvalue()
