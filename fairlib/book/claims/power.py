"""How often a rule says "reproduced" when it should, and when it should not.

Of a printed number: another training of ours in the paper's place, and the wrong network, the wrong data set or an
untrained network in ours. Of a side of zero, or of "the same": an effect that is there, and one that is not.
"""

import math
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fairlib.book.claims.claim import Claim
from fairlib.book.claims.estimate import Estimate
from fairlib.book.claims.judging import alternatives
from fairlib.book.claims.rules import CELLS, RULES, SIGNS, reaches
from fairlib.book.terms import REPRODUCED

DRAWS = 2_000
WRONG_DATA, WRONG_NETWORK = "the wrong data set", "the wrong network"
UNTRAINED, OTHER = "an untrained network", "another method"


def sensitivity(claim: Claim, estimates: Mapping[str, Estimate]) -> float:
    """How often the rule says "reproduced" of a claim that holds.

    Parameters
    ----------
    claim : Claim
        What the paper says, and its rule.
    estimates : mapping of str to Estimate
        Those of its chapter, with all that the claim asks for.

    Returns
    -------
    float
        Of a printed number: of `DRAWS` further trainings of ours, each measured on as many images and rounded as the
        paper rounds, put in the paper's place; none where the claim names no alternative. Of a side of zero: where the
        effect is the smallest one of interest. Of the same: where there is no difference. NaN for the other rules.

    Notes
    -----
    A further training is drawn from the law that gives its prediction interval in `repetition`, with a seed of the
    claim's own. The others are exact, given the width of our interval.
    """
    ours = estimates[claim.quantity]
    if claim.rule in CELLS and not claim.parameters.get("alternatives"):
        return 0.0  # such a number is undecided, whatever is printed
    if claim.rule in CELLS:
        return float(_reproduced(claim, ours, alternatives(claim, estimates), _further(claim, ours)).mean())
    return _called(claim, ours, 0.0 if claim.rule == "equivalent" else claim.parameters.get("smallest", math.nan))


def placebos(claim: Claim, estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """How often the rule says "reproduced" of a claim that does not hold.

    Parameters
    ----------
    claim : Claim
        What the paper says, and its rule.
    estimates : mapping of str to Estimate
        Those of its chapter, with all that the claim asks for.

    Returns
    -------
    dict of str to float
        Of a printed number, for each kind of alternative: how many of them, in ours' place, are called reproduced when
        ours is among their own alternatives. Of a side of zero: where there is no effect. Of the same: where the
        difference is the smallest effect of interest. Empty for the other rules.
    """
    ours = estimates[claim.quantity]
    if claim.rule not in CELLS:
        wrong = _called(claim, ours, claim.parameters.get("smallest", math.nan) if claim.rule == "equivalent" else 0.0)
        return {} if math.isnan(wrong) else {"no effect" if claim.rule in SIGNS else "a difference": wrong}
    found: dict[str, list[bool]] = {}
    others, names = alternatives(claim, estimates), claim.parameters.get("alternatives", ())
    for i, (name, other) in enumerate(zip(names, others, strict=True)):
        rivals = [ours, *others[:i], *others[i + 1 :]]
        verdict = RULES[claim.rule](other, **dict(claim.parameters) | {"alternatives": rivals})
        found.setdefault(_wrong(claim.quantity, name), []).append(verdict == REPRODUCED)
    return {kind: sum(verdicts) / len(verdicts) for kind, verdicts in found.items()}


def _wrong(quantity: str, other: str | float) -> str:
    """What is wrong with an alternative."""
    if not isinstance(other, str):
        return UNTRAINED
    pair = zip(quantity.split("/"), other.split("/"), strict=False)
    differ = [i for i, (one, two) in enumerate(pair) if one != two]
    if not quantity.startswith(("FullyConnected/", "LeNet5/")):
        return OTHER
    return WRONG_NETWORK if 0 in differ else WRONG_DATA


def _further(claim: Claim, ours: Estimate) -> NDArray[np.float64]:
    """What further trainings of ours would print in the paper's place: (DRAWS,)."""
    random = np.random.default_rng(zlib.crc32(claim.id.encode()))
    n, p = claim.parameters.get("n"), abs(ours.value)
    sampling = math.sqrt(max(0.0, p * (1 - p)) / n) if n else 0.0
    if ours.sd is not None:
        spread = ours.sd * math.sqrt(1 + 1 / ours.seeds) * random.standard_t(ours.seeds - 1, DRAWS)
    else:
        spread = random.standard_normal(DRAWS) / stats.norm.ppf(0.975)
        spread *= np.where(spread < 0, ours.value - ours.low, ours.high - ours.value)
    drawn = ours.value + spread + sampling * random.standard_normal(DRAWS)
    return np.round(drawn, claim.parameters["decimals"])


def _reproduced(claim: Claim, ours: Estimate, others: list[Estimate], printed: NDArray) -> NDArray[np.bool_]:
    """Which printed numbers the rule for cells calls reproduced; a range keeps its width."""
    p = claim.parameters
    half = (p["high"] - p["low"]) / 2 if claim.rule == "matches_range" else 0.0
    own, *wrong = (
        reaches(each, printed - half, printed + half, decimals=p["decimals"], n=p.get("n")) for each in (ours, *others)
    )
    return own & ~np.any(wrong, axis=0)


def _called(claim: Claim, ours: Estimate, effect: float) -> float:
    """How often an interval as wide as ours would be called reproduced, if the truth were `effect`."""
    smallest = claim.parameters.get("smallest")
    if smallest is None:
        return math.nan
    half = (ours.high - ours.low) / 2
    same = claim.rule == "equivalent"
    if half == 0:
        return float(abs(effect) <= smallest if same else effect >= smallest)
    law = stats.t(ours.seeds - 1) if ours.seeds > 1 else stats.norm
    error = half / law.ppf(0.975)
    if same:
        room = max(smallest - half, 0.0)
        return float(law.cdf((room - effect) / error) - law.cdf((-room - effect) / error))
    return float(law.sf((max(half, smallest - half) - effect) / error))
