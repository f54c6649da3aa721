"""How fast the package is beside others: what `make bench` wrote, as lines, a table, a figure's rows and sentences."""

import json
from pathlib import Path

import pandas as pd

from fairlib import files

FIELDS = {
    "method", "on", "kind", "rounds", "seconds", "macs", "peak", "fastest", "ratio", "share", "aims", "why"
}  # fmt: skip
AIMS = {  # what an aim is about: its words, and whether what is found may be at most so much
    "ratio": ("at most {aim} times the time, found {found}", True),
    "share": ("at least {aim} of the peak, found {found}", False),
    "extra": ("extra time at most {aim} times the extra multiply-adds' at the other's rate, found {found}", True),
}
LOOPS = ("a DataLoader loop", "a literal loop", "a loop over pyiqa", "seeds one by one")  # written for this page


def path() -> Path:
    """Where the record lies."""
    return files.root() / "results" / "bench.json"


def recorded() -> dict:
    """The last full run of `make bench`.

    Returns
    -------
    dict
        `rows`, one per comparison, and `provenance`.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        For a damaged one.
    """
    if not path().is_file():
        raise FileNotFoundError(f"{path()} is missing; run `make bench`")
    try:
        record = json.loads(path().read_text(encoding="utf-8"))
        missing = {field for row in record["rows"] for field in FIELDS - row.keys()} | {"provenance"} - record.keys()
        if missing or not record["rows"]:
            raise ValueError(f"{', '.join(sorted(missing)) or 'rows'} missing")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path()} is not a whole record ({error}); {files.RESTORE}, or run `make bench`") from error
    return record


def quickest(row: dict) -> bool:
    """Whether ours took no longer than the quickest other, by the medians."""
    return row["ratio"][0] <= 1


def judged(row: dict) -> dict[str, bool]:
    """Which aims are met, by what they are about."""
    return {what: found <= aim if AIMS[what][1] else found >= aim for what, (aim, found) in row["aims"].items()}


def line(row: dict) -> str:
    """A comparison in one line: seconds of each way, the ratio, the share of the peak."""
    ways = ", ".join(f"{way} {seconds:.3g} s" for way, (seconds, _, _) in row["seconds"].items())
    return f"{row['method']} ({row['on']}): {ways}; {span(row)} of {row['fastest']}, {share(row)} of the peak"


def span(row: dict) -> str:
    """The ratio, and in brackets the least and the largest over the rounds."""
    value, low, high = (f"{number:.2g}" if number < 0.1 else f"{number:.2f}" for number in row["ratio"])
    return f"{value} [{low}, {high}]"


def share(row: dict) -> str:
    """The share of the peak; a dash where multiply-adds are not counted."""
    return "–" if row["share"] is None else f"{row['share']:.0%}"


def sentence(row: dict) -> str:
    """What a comparison says: who is quicker, why where it is not ours, and each aim met or missed."""
    other = row["fastest"]
    if row["kind"] == "part":
        said = f"takes {span(row)} times as long as {other}, which is a part of it. {row['why']}"
    elif row["ratio"][1] <= 1 <= row["ratio"][2]:
        said = f"is about as quick as {other}: {span(row)} times its time. {'' if quickest(row) else row['why']}"
    elif quickest(row):
        said = f"is the quickest: {span(row)} of the time of {other}, the next."
    else:
        said = f"is not the quickest: {span(row)} times the time of {other}. {row['why']}"
    aims = []
    for what, met in judged(row).items():
        form = "{:.0%}" if what == "share" else "{:.3g}"
        aim, found = (form.format(number) for number in row["aims"][what])
        words = AIMS[what][0].format(found=found, aim=aim)
        aims.append(f"{words}: {'met' if met else 'missed'}")
    told = f" Aim: {'; '.join(aims)}." if aims else ""
    return f"**{row['method']}** ({row['on']}) {said.strip()}{told}"


def summary(record: dict) -> str:
    """How many comparisons ours wins, and how many aims are met, in a sentence."""
    rivals = [row for row in record["rows"] if row["kind"] == "rival"]
    packages, loops = ([quickest(row) for row in rivals if (row["fastest"] in LOOPS) is own] for own in (False, True))
    met = [met for row in record["rows"] for met in judged(row).values()]
    return (
        f"By the medians no slower in {sum(packages)} of {len(packages)} comparisons with other packages, and in "
        f"{sum(loops)} of {len(loops)} with plain loops over them; {sum(met)} of {len(met)} aims are met."
    )


def table(record: dict) -> pd.DataFrame:
    """Each way's time and the aims, a row per comparison: five columns with what is compared."""
    rows = []
    for row in record["rows"]:
        ways = [f"{way} {1000 * seconds:,.3g}" for way, (seconds, _, _) in row["seconds"].items()]
        met = [f"{what} {'met' if met else 'missed'}" for what, met in judged(row).items()]
        rows.append(
            {
                "compared": f"{row['method']}, {row['on']}",
                "milliseconds, medians": ", ".join(ways),
                "ratio": span(row),
                "share of the peak": share(row),
                "aims": ", ".join(met) or "none",
            }
        )
    return pd.DataFrame(rows)


def ratios(record: dict) -> pd.DataFrame:
    """The rows of `plots.dots`: ours over the quickest other, whiskers from the least to the largest of the rounds."""
    series = {"rival": "beside another way", "part": "beside a part of it"}
    rows = []
    for row in record["rows"]:
        value, low, high = row["ratio"]
        label = f"{row['method']}, {row['on'].split(',')[0]}"
        rows.append(
            {
                "label": label,
                "series": series[row["kind"]],
                "value": value,
                "low": min(low, value),
                "high": max(high, value),
            }
        )
    return pd.DataFrame(rows)
