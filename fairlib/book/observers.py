"""The command `observers`: what people saw in the lab `Can you see it?`, pooled from the files that it saves.

In a two-alternative forced choice one who sees the difference with sensitivity d' is right in a share Phi(d' / sqrt 2)
of the trials (Macmillan and Creelman 2005, chapter 7). So d' = sqrt(2) z(share); the log-linear correction, half an
answer added on either side (Hautus 1995), keeps it finite where all answers are right.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from fairlib import foreign

CATCHES_MISSED = 1  # so many catch trials of a block may be missed
LEVEL = 0.95
NEEDED = {"observer": str, "method": str, "size": str, "trials": list}


def sensitivity(right: int, n: int) -> dict[str, float]:
    """What one block says about d'.

    Parameters
    ----------
    right, n : int
        Right answers, and trials.

    Returns
    -------
    dict
        `value`, log-linear corrected, and `low`, `high`: Wilson's 95 % interval of the share, as d'. Where all answers
        are right (or wrong) `high` (or `low`) is infinite: no block of this length bounds it.
    """
    low, high = proportion_confint(right, n, alpha=1 - LEVEL, method="wilson")
    ends = (-math.inf if right == 0 else _dprime(low), math.inf if right == n else _dprime(high))
    return {"value": _dprime((right + 0.5) / (n + 1)), "low": ends[0], "high": ends[1]}


def _dprime(share: float) -> float:
    return float(math.sqrt(2) * norm.ppf(share))


def clustered(right: Sequence[int], n: Sequence[int]) -> dict[str, float]:
    """What several observers say about d' together, their answers clustered by observer.

    Parameters
    ----------
    right, n : sequence of int
        Right answers and trials of each observer.

    Returns
    -------
    dict
        `value` as of one long block, and `low`, `high`. Of one observer these are `sensitivity`'s: they hold for that
        one alone. Of k they come from the share's sandwich variance, observers being what is sampled, and Student's t
        with k - 1 degrees of freedom; an end beyond 0 or 1 is infinite.
    """
    right, n = np.asarray(right), np.asarray(n)
    pooled = sensitivity(int(right.sum()), int(n.sum()))
    k, share = len(n), right.sum() / n.sum()
    if k == 1:
        return pooled
    error = math.sqrt(k / (k - 1) * ((right - share * n) ** 2).sum()) / n.sum()
    half = t.ppf((1 + LEVEL) / 2, k - 1) * error
    low, high = share - half, share + half
    ends = (-math.inf if low <= 0 else _dprime(low), math.inf if high >= 1 else _dprime(high))
    # The correction may put the value an ulp outside an interval of no width.
    return {"value": pooled["value"], "low": min(ends[0], pooled["value"]), "high": max(ends[1], pooled["value"])}


def blocks(paths: Iterable[Path]) -> pd.DataFrame:
    """A row per block: `observer`, `method`, `size`, right answers and `n`, and catch trials that were `missed`.

    Raises
    ------
    ValueError
        For a file that the lab did not save, with what is wrong in it, and one that is given twice.
    """
    rows, seen = [], {}
    for path in paths:
        block = _read(path)
        key = json.dumps(block, sort_keys=True)
        if key in seen:
            raise ValueError(f"{path} and {seen[key]} hold the same block, expected each once; leave one out")
        seen[key] = path
        ordinary = [trial for trial in block["trials"] if not trial["catch"]]
        caught = [trial for trial in block["trials"] if trial["catch"]]
        rows.append(
            {name: block[name] for name in ("observer", "method", "size")}
            | {"right": sum(map(_is_right, ordinary)), "n": len(ordinary)}
            | {"missed": len(caught) - sum(map(_is_right, caught))}
        )
    return pd.DataFrame(rows)


def _is_right(trial: dict) -> bool:
    return trial["side"] == trial["answer"]


def _read(path: Path) -> dict:
    """A file of the lab."""
    try:
        block = foreign.parsed(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}), expected a file that the lab saved") from error
    if not isinstance(block, dict) or block.get("lab") != "seen" or block.get("version") != 1:
        raise ValueError(f"{path} is not of the lab, expected a file that it saved, with lab 'seen' and version 1")
    for name, kind in NEEDED.items():
        if not isinstance(block.get(name), kind) or not block[name]:
            raise ValueError(f"{path} has no {name}, expected the file as the lab saved it")
    for i, trial in enumerate(block["trials"]):
        fine = isinstance(trial, dict) and isinstance(trial.get("catch"), bool)
        if not fine or {trial.get("side"), trial.get("answer")} - {"A", "B"}:
            raise ValueError(f"trial {i} of {path} is {trial!r}, expected catch, and A or B as side and as answer")
    if all(trial["catch"] for trial in block["trials"]):
        raise ValueError(f"{path} has catch trials alone, expected the file as the lab saved it")
    return block


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per method and size: `observers`, `blocks`, `n`, `share` and d' as `value`, `low`, `high`.

    Parameters
    ----------
    rows : DataFrame
        As `blocks` gives them; those with more than `CATCHES_MISSED` missed catch trials are left out.
    """
    found = []
    for (method, size), group in rows[rows["missed"] <= CATCHES_MISSED].groupby(["method", "size"]):
        each = group.groupby("observer")[["right", "n"]].sum()
        told = {"method": method, "size": size, "observers": len(each), "blocks": len(group), "n": each["n"].sum()}
        told["share"] = each["right"].sum() / each["n"].sum()
        found.append(told | clustered(each["right"].tolist(), each["n"].tolist()))
    return pd.DataFrame(found)


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Pool the files: the table as text, and 0."""
    rows = blocks(arguments.files)
    table = pooled(rows)
    left = int((rows["missed"] > CATCHES_MISSED).sum())
    words = [f"{left} of {len(rows)} blocks left out: more than {CATCHES_MISSED} catch trial missed."] if left else []
    for row in table.itertuples():
        ends = ", ".join(f"{end:.2f}" if math.isfinite(end) else "no bound" for end in (row.low, row.high))
        kind = "that observer's alone" if row.observers == 1 else "clustered by observer"
        words.append(
            f"{row.method}, {row.size} size: d' = {row.value:.2f}, 95 % interval [{ends}], {kind}; right in "
            f"{row.share:.0%} of {row.n} trials, {row.blocks} blocks, {row.observers} observers"
        )
    return "\n".join(words), 0
