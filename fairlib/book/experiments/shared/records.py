"""What the records say, as the chapters ask for it."""

import pandas as pd

from fairlib.book import runner, units


def of_kind(chapter: str, what: str) -> pd.DataFrame:
    """The rows of a chapter's units of one kind, without columns that only others have.

    Raises FileNotFoundError where there are none.
    """
    rows = runner.results(chapter).query("what == @what").dropna(axis=1, how="all")
    if rows.empty:
        raise FileNotFoundError(f"no results of {chapter} of the kind {what}; run `make reproduce ONLY={chapter}/`")
    return rows


def largest(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Of each group of rows those with most `images`, where both profiles were run."""
    return rows[rows["images"] == rows.groupby(by)["images"].transform("max")]


def recorded(chapter: str, what: str) -> pd.DataFrame:
    """The rows of one kind of unit; of each network and data set those with most images, where both profiles were
    run."""
    return largest(of_kind(chapter, what), ["network", "dataset"])


def origin(chapter: str, arguments: dict) -> dict:
    """The fields of an estimate that say which unit's record it comes from, and over how many images."""
    unit = units.Unit(chapter, arguments)
    return {"record": f"results/{unit.name}.json", "n": int(arguments["images"])}
