"""Several comparisons that decide one statement: their p, and Holm's correction."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from fairlib.book.claims.estimate import Estimate

LEVEL = 0.05


def p_value(estimate: Estimate) -> float:
    """How often chance alone would give an estimate so far from zero, recovered from its interval.

    Parameters
    ----------
    estimate : Estimate
        Ours.

    Returns
    -------
    float
        Two-sided; from Student's t with `seeds` - 1 degrees of freedom where there are several trainings, else from the
        normal distribution. Below 0.05 exactly where zero is outside the interval. Of a number without an interval 0,
        or 1 where it is zero.

    Notes
    -----
    The standard error is the half of the interval towards zero over the quantile that made it, so that an interval that
    is not symmetric gives the p of the side that decides.
    """
    law = stats.t(estimate.seeds - 1) if estimate.seeds > 1 else stats.norm
    size = abs(estimate.value)
    half = estimate.value - estimate.low if estimate.value > 0 else estimate.high - estimate.value
    if half <= 0:
        return float(size == 0)
    return float(2 * law.sf(size / half * law.ppf(1 - LEVEL / 2)))


def adjusted(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """The p of several comparisons, adjusted by Holm: the i-th smallest of m times m - i + 1, and none below the last.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        One for each comparison.

    Returns
    -------
    dict of str to float
        The smallest level of the whole family at which each would be called.
    """
    if not estimates:
        return {}
    ps = np.array([p_value(estimate) for estimate in estimates.values()])
    order = ps.argsort()
    steps = np.minimum(1, np.maximum.accumulate(ps[order] * np.arange(len(ps), 0, -1)))
    return dict(zip(estimates, steps[order.argsort()].tolist(), strict=True))
