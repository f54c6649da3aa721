"""How the recorded runs stand: how many there are, what they cost, how many were run again."""

import pandas as pd

from fairlib import runtime
from fairlib.book import units


def records() -> pd.DataFrame:
    """Count the recorded units of each experiment.

    Returns
    -------
    pandas.DataFrame
        A row per experiment: its name, `units` that it has in both profiles, `recorded` of them, `minutes` of processor
        time that these took, `again`, the units that were run a second time and gave the same numbers, and `fresh`, the
        recorded ones whose code and data are today's, or were seen to give the same.

    Raises
    ------
    ValueError
        For a damaged record.
    """
    rows = []
    for chapter in units.chapters():
        every = units.of(chapter, *runtime.PROFILES)
        found = [record for unit in every if (record := unit.record())]
        source = units.source(chapter) if found else ""
        rows.append(
            {
                "experiment": chapter,
                "units": len(every),
                "recorded": len(found),
                "minutes": sum(record["provenance"]["seconds"] for record in found) / 60,
                "again": len({name for record in found for name in record.get("verified", {}).get("sample", ())}),
                "fresh": sum(units.fresh(record, source) for record in found),
            }
        )
    return pd.DataFrame(rows)
