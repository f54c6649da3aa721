"""Tables as wholes: the pairing of each with its own among all, against SciPy and against tables that were mixed up."""

import numpy as np
import pytest
from book.claims.hand_made import at
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from fairlib.book import claims

SQUARES = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.lists(st.floats(0, 10), min_size=k, max_size=k), min_size=k, max_size=k)
)


@given(SQUARES)
def test_the_closest_pairing_is_that_of_scipy(rows):
    d = np.array(rows)
    own, typical, rank, pairings, closest = claims.paired(d)
    assert own == pytest.approx(np.diag(d).mean())
    assert typical == pytest.approx(d.mean())  # each cell stands in equally many pairings
    assert pairings == np.prod(np.arange(1, len(d) + 1))
    rows_, columns = linear_sum_assignment(d)
    assert d[range(len(d)), closest].mean() == pytest.approx(d[rows_, columns].mean())
    assert 1 <= rank <= pairings
    assert (rank == 1) <= (own <= d[rows_, columns].mean() + 1e-9)


@given(SQUARES, st.randoms())
def test_a_table_closer_to_its_own_never_ranks_lower(rows, random):
    d = np.array(rows)
    i = random.randrange(len(d))
    closer = d.copy()
    closer[i, i] /= 2
    assert claims.paired(closer)[2] <= claims.paired(d)[2]


def test_ties_count_against_it():
    assert claims.paired(np.zeros((3, 3)))[2:4] == (6, 6)
    assert claims.paired(np.ones((4, 4)) - np.eye(4))[2:4] == (1, 24)
    assert claims.paired(np.eye(3))[2] == 6  # each is the farthest from its own
    with pytest.raises(ValueError, match="as many rows as columns"):
        claims.paired(np.zeros((2, 3)))


def test_the_distance_knows_the_size():
    """Log odds of 30.5 and 120.5 of 150 against 45.5 and 105.5; half and double are equally far."""
    assert claims.apart(0.2, 0.3, 150) == pytest.approx(abs(np.log(30.5 / 120.5) - np.log(45.5 / 105.5)))
    assert claims.apart(0.0, 0.02, 150) > claims.apart(0.5, 0.52, 150) > 0
    assert np.isfinite(claims.apart(0.0, 1.0, 150))
    assert (
        claims.apart(100.0, 50.0, None) == pytest.approx(claims.apart(100.0, 200.0, None)) == pytest.approx(np.log(2))
    )
    assert claims.apart(0.3, 0.3, 150) == claims.apart(5.0, 5.0, None) == 0


def cells(paper: str) -> list[claims.Claim]:
    return [c for c in claims.load(paper) if c.id.startswith(("pepe-table", "hua-table1-"))]


@pytest.mark.parametrize("paper", ["pepe", "hua"])
def test_what_is_printed_is_closest_to_itself_and_a_mixed_up_table_is_not(paper):
    found = cells(paper)
    chapter = found[0].chapter
    ours = {c.quantity: at(c.parameters["value"]) for c in found}
    same = claims.whole(paper, found, {chapter: ours})
    assert (same.distance, same.rank, same.closest) == (0, 1, same.names)
    assert same.p == 1 / same.pairings == 1 / {"pepe": 24, "hua": 5040}[paper]
    first, second = same.names[:2]
    swapped = ours | {
        key.replace(one, other, 1): ours[key]
        for one, other in ((first, second), (second, first))
        for key in ours
        if key.startswith(f"{one}/")
    }
    mixed = claims.whole(paper, found, {chapter: swapped})
    assert mixed.rank > 1
    assert mixed.closest == (second, first, *same.names[2:])
    assert "2 of " in claims.as_a_whole(mixed)
    assert "each with its own" in claims.as_a_whole(same)
    del ours[found[0].quantity]
    assert claims.whole(paper, found, {chapter: ours}) is None


def test_nothing_is_said_before_it_ran(house):
    assert claims.wholes() == []
