"""Tables judged as wholes: whether a printed table is closer to its own counterpart here than to any other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike

from fairlib import checks
from fairlib.book.claims.claim import Claim, load
from fairlib.book.claims.estimate import Estimate
from fairlib.book.claims.ledger import behind

TABLES = {  # by paper: in words, how the cells' ids begin, and how many parts of a key name a table or a row
    "pepe": ("The four tables of the first paper, each a network on a data set", "pepe-table", 2),
    "hua": ("Table 1 of the second paper, a row for each method", "hua-table1-", 1),
}


@dataclass(frozen=True)
class Whole:
    """How close printed tables, or rows, are to ours, each to its own, among all ways to pair them.

    `distance`: the mean over the cells; `typical`: its mean over all pairings; `rank`: how many pairings are as close
    or closer; `p`: `rank` over `pairings`; `closest`: of each printed one the name of ours in the closest pairing.
    """

    paper: str
    what: str
    names: tuple[str, ...]
    closest: tuple[str, ...]
    distance: float
    typical: float
    rank: int
    pairings: int

    @property
    def p(self) -> float:
        """How often a random pairing is as close: the smallest possible is 1 over the pairings."""
        return self.rank / self.pairings


def apart(printed: float, ours: float, n: int | None) -> float:
    """How far a cell is from ours, on a scale that knows the size.

    Parameters
    ----------
    printed, ours : float
        Two shares of images, or two distances above 0.
    n : int or None
        Images of the paper, where they are shares.

    Returns
    -------
    float
        Of shares the difference of their log odds, half an image added on each side; of distances that of the logs.
    """
    if n is None:
        return abs(math.log(printed) - math.log(ours))
    odds = [math.log((p * n + 0.5) / ((1 - p) * n + 0.5)) for p in (printed, min(max(ours, 0.0), 1.0))]
    return abs(odds[0] - odds[1])


def paired(distance: ArrayLike) -> tuple[float, float, int, int, tuple[int, ...]]:
    """The pairing of each with its own, among all.

    Parameters
    ----------
    distance : array_like
        (K, K): how far the k-th printed one is from the j-th of ours.

    Returns
    -------
    tuple
        The mean distance of each to its own; the mean over all pairings; how many pairings are as close or closer; how
        many there are; the closest one, as the column of each row.

    Raises
    ------
    ValueError
        For what is no square of finite numbers.
    """
    d = checks.numbers(distance, "distance", axes=2)
    if d.shape[0] != d.shape[1]:
        raise ValueError(f"distance has the shape {d.shape}, expected as many rows as columns")
    columns = np.array(list(permutations(range(len(d)))))
    totals = d[np.arange(len(d)), columns].mean(axis=1)
    own = totals[0]  # the first permutation is the identity
    return own, totals.mean(), int((totals <= own + 1e-12).sum()), len(totals), tuple(columns[totals.argmin()].tolist())


def wholes(papers: Iterable[str] = tuple(TABLES)) -> list[Whole]:
    """The papers' tables as wholes.

    Parameters
    ----------
    papers : iterable of str
        Of `PAPERS`.

    Returns
    -------
    list of Whole
        One for each paper whose tables are recorded.
    """
    every = [(paper, load(paper)) for paper in papers]
    return [found for paper, claims in every if (found := whole(paper, claims, behind(claims)))]


def whole(paper: str, claims: Sequence[Claim], estimates: Mapping[str, Mapping[str, Estimate]]) -> Whole | None:
    """One paper's tables as a whole.

    Parameters
    ----------
    paper : str
        One of `PAPERS`.
    claims : sequence of Claim
        Its claims.
    estimates : mapping
        By chapter, then by quantity.

    Returns
    -------
    Whole or None
        None where a cell is not recorded.
    """
    what, beginning, depth = TABLES[paper]
    printed: dict[str, dict[str, Claim]] = {}
    for claim in claims:
        if claim.id.startswith(beginning):
            parts = claim.quantity.split("/", depth)
            printed.setdefault("/".join(parts[:depth]), {})[parts[depth]] = claim
    names = tuple(printed)

    def ours(name: str, key: str, claim: Claim) -> float | None:
        estimate = estimates[claim.chapter].get(f"{name}/{key}")
        return estimate and estimate.value

    cells = [[[(c, ours(other, key, c)) for key, c in printed[name].items()] for other in names] for name in names]
    if not names or any(value is None for row in cells for column in row for _, value in column):
        return None
    distance = [
        [np.mean([apart(c.parameters["value"], x, c.parameters.get("n")) for c, x in column]) for column in row]
        for row in cells
    ]
    own, typical, rank, pairings, closest = paired(distance)
    return Whole(paper, what, names, tuple(names[j] for j in closest), float(own), float(typical), rank, pairings)
