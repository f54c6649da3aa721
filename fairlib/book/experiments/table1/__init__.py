"""Table 1 and what goes with it, on the 299 x 299 photographs that FAIRLIB_IMAGES names. Second paper, section 3.2.

Seven attacks, their judges, the defences of figure 4; the roundings and the lambda of Algorithm 1, and random starts.
`truncation.py`, `perceptual_attack.py` and `compression.py` beside this read these records too. Images are attacked one
at a time, which on one thread costs no more than a batch and counts the passes of each.
"""

from fairlib.book.experiments.table1.cases import (
    BITS,
    BOUND,
    CLASSIFIER,
    JUDGES,
    KINDS,
    LAMBDAS,
    METHODS,
    NORMS,
    PERC_AL_N,
    QUALITIES,
    SCALE,
    SHARDS,
    SIZE,
    STEPPING,
    SUBSTITUTE,
    Case,
    defended,
    from_folder,
    ground_cost,
    measured,
    methods,
    run,
    units,
)
from fairlib.book.experiments.table1.others import estimates as estimates_of_others
from fairlib.book.experiments.table1.others import own_settings, paper_weights, without_start
from fairlib.book.experiments.table1.records import (
    LEADS,
    PAIRS,
    attacked_rows,
    by_method,
    cells,
    cost_name,
    estimate,
    estimates_of_table,
    lead,
    pair,
    published,
    recorded,
    tried,
)

__all__ = [
    "BITS", "BOUND", "CLASSIFIER", "JUDGES", "KINDS", "LAMBDAS", "LEADS", "METHODS", "NORMS", "PAIRS", "PERC_AL_N",
    "QUALITIES", "SCALE", "SHARDS", "SIZE", "STEPPING", "SUBSTITUTE", "Case", "attacked_rows", "by_method", "cells",
    "cost_name", "defended", "estimate", "estimates", "from_folder", "ground_cost", "lead", "measured", "methods",
    "own_settings", "pair", "paper_weights", "published", "recorded", "run", "tried", "units", "without_start",
]  # fmt: skip


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records."""
    return estimates_of_table() | estimates_of_others()
