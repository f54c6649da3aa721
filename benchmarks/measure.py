"""Ways to do the same thing, timed in turn on one CPU thread, and a matrix product beside them in the same moments."""

import time
from collections.abc import Callable, Collection, Mapping

import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fairlib import runtime

SIDE = 1_024  # of the square matrices whose product is called the machine's peak
LEAST, MOST = 3, 30  # rounds, in each of which every way takes its turn
PRODUCT = "product"


def compared(
    method: str,
    on: str,
    ways: Mapping[str, Callable[[], object]],
    check: Callable[[dict[str, object]], None],
    *,
    seconds: float,
    kind: str = "rival",
    macs: Mapping[str, int] | None = None,
    aims: Mapping[str, float] | None = None,
    why: str = "",
) -> dict:
    """The row of a method: what each way took, ours, the first, over the quickest other, and as a share of the peak.

    `ways` are called once before anything is timed, and `check` raises where they do not do the same. `kind` is
    "rival", or "part" where the other is a part of what ours does. `macs` are multiply-adds by way, none where there is
    no count; by default those of ours are counted. `aims`: at most so much for `ratio`, ours over the quickest other,
    and for `extra`, what ours takes longer over what its further multiply-adds would take at the other's rate; at least
    so much for `share`. `why` says what costs time where ours is not the quickest.
    """
    ours, *others = ways
    with runtime.threads(1):
        result, count = counted(ways[ours]) if macs is None else (ways[ours](), None)
        results = {ours: result, **{way: ways[way]() for way in others}}
        check(results)
        a = torch.rand(SIDE, SIDE)
        taken = times({PRODUCT: lambda: a @ a, **ways}, seconds)
    medians = taken.median()
    fastest = medians[others].idxmin()
    macs = {ours: count} if macs is None else dict(macs)
    peak = SIDE**3 / medians[PRODUCT]
    found = {"ratio": medians[ours] / medians[fastest]}
    if ours in macs:
        found["share"] = macs[ours] / medians[ours] / peak
    if fastest in macs and macs[ours] > macs[fastest]:
        rate = macs[fastest] / medians[fastest]
        found["extra"] = (medians[ours] - medians[fastest]) * rate / (macs[ours] - macs[fastest])
    return {
        "method": method,
        "on": on,
        "kind": kind,
        "rounds": len(taken),
        "seconds": {way: [rounded(f(taken[way])) for f in (pd.Series.median, min, max)] for way in ways},
        "macs": macs,
        "peak": rounded(peak),
        "fastest": fastest,
        "ratio": [rounded(found["ratio"]), *(rounded(f(taken[ours] / taken[fastest])) for f in (min, max))],
        "share": rounded(found["share"]) if ours in macs else None,
        "aims": {what: [rounded(aim), rounded(found[what])] for what, aim in (aims or {}).items()},
        "why": why,
    }


def counted(call: Callable[[], object]) -> tuple[object, int]:
    """What a call returns, and its multiply-adds. Groups of a convolution are counted as if there were none."""
    with FlopCounterMode(display=False) as counter:
        return call(), counter.get_total_flops() // 2


def times(ways: Mapping[str, Callable[[], object]], seconds: float) -> pd.DataFrame:
    """Processor seconds of all threads: a row per round, a column per way. No round begins after so many seconds."""
    rounds, began = [], time.perf_counter()
    while len(rounds) < LEAST or (len(rounds) < MOST and time.perf_counter() - began < seconds):
        row = {}
        for way, call in ways.items():
            before = time.process_time()
            call()
            row[way] = time.process_time() - before
        rounds.append(row)
    return pd.DataFrame(rounds)


def rounded(value: float) -> float:
    """Four digits."""
    return float(f"{value:.4g}")


def alike(tolerance: float, close: float = 1e-3, but: Collection[str] = ()) -> Callable[[dict[str, Tensor]], None]:
    """A check that in no more than this share of the entries a way, `but` some, is farther from ours than `close`."""

    def check(results: dict[str, Tensor]) -> None:
        ours, *others = (way for way in results if way not in but)
        for way in others:
            apart = 1 - ((results[way] - results[ours]).abs() <= close).float().mean().item()  # NaN is apart
            if apart > tolerance + 1e-6:
                raise RuntimeError(f"{way} does something else than {ours}: {apart:.2%} of the entries differ")

    return check


def batched(attack: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, size: int) -> Callable[[], Tensor]:
    """A call that attacks so many images at a time."""
    return lambda: torch.cat([attack(*batch) for batch in zip(x.split(size), y.split(size), strict=True)])
