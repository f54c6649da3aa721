"""Tables of facts that stand in the papers or in public sources, as they lie under `data/tables`."""

import pandas as pd

from fairlib import checks, files


def table(name: str) -> pd.DataFrame:
    """Read a table of facts, after comparing its SHA-256.

    Parameters
    ----------
    name : str
        That of a file `data/tables/<name>.csv`.

    Returns
    -------
    DataFrame
        Only an empty cell is one without a value: NA is Namibia's code, and "none" a word.

    Raises
    ------
    ValueError
        For an unknown name or an altered file.
    FileNotFoundError
        For a missing file.
    """
    tables = (file.removeprefix("tables/") for file in files.listed() if file.startswith("tables/"))
    checks.one_of(name, sorted(file.removesuffix(".csv") for file in tables), "name")
    return pd.read_csv(files.checked(f"tables/{name}.csv"), keep_default_na=False, na_values=[""])
