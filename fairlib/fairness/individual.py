"""Are similar individuals treated alike? Dwork et al.'s condition, pair by pair; and who pays, class by class."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairlib import checks
from fairlib.fairness.table import Array

ROUNDING = 1e-9  # by so much a sum of distances may fall short of a distance for want of digits
ONE = 1e-4  # by so much probabilities in single precision may miss their sum


def total_variation(p: ArrayLike, q: ArrayLike) -> Array:
    """Measure how far apart two distributions over the same outcomes are.

    Parameters
    ----------
    p, q : (..., K) numbers
        Probabilities, each row with the sum 1.

    Returns
    -------
    (...) float
        In [0, 1]: the largest difference of the probabilities that the two give to any set of outcomes.

    Raises
    ------
    ValueError
        For what are no probabilities, and for shapes that differ.

    Notes
    -----
    D_tv(P, Q) = 1/2 sum_a |P(a) - Q(a)|.

    References
    ----------
    Dwork, Hardt, Pitassi, Reingold and Zemel (2012), Fairness through awareness, section 2.1.

    Examples
    --------
    >>> float(total_variation([0.5, 0.5, 0.0], [0.25, 0.25, 0.5]))
    0.5
    """
    p, q = (checks.numbers(values, name, low=0, axes=None) for values, name in ((p, "p"), (q, "q")))
    for values, name in ((p, "p"), (q, "q")):
        if values.ndim == 0 or (np.abs(values.sum(-1) - 1) > ONE).any():
            raise ValueError(f"{name} has a row whose sum is not 1, expected probabilities; divide each by its sum")
    _alike(p, q, "p", "q")
    return np.abs(p - q).sum(-1) / 2


def angles(u: ArrayLike, v: ArrayLike) -> Array:
    """Measure the angle between vectors, as a share of a half turn; unlike one minus the cosine it is a metric.

    Parameters
    ----------
    u, v : (..., m) numbers
        Vectors, none of them zero.

    Returns
    -------
    (...) float
        In [0, 1]: 0 where two point the same way, 1/2 at a right angle.

    Raises
    ------
    ValueError
        For a vector of zeros, which has no direction, and for shapes that differ.

    Notes
    -----
    arccos(u . v / (|u| |v|)) / pi, computed as 2 arctan(|a - b| / |a + b|) / pi with a = u / |u| and b = v / |v|, which
    keeps its digits for small angles.

    Examples
    --------
    >>> angles([[1, 0], [1, 0]], [[0, 2], [-3, 0]]).tolist()
    [0.5, 1.0]
    """
    u, v = (checks.numbers(values, name, axes=None) for values, name in ((u, "u"), (v, "v")))
    _alike(u, v, "u", "v")
    lengths = [np.linalg.norm(values, axis=-1, keepdims=True) for values in (u, v)]
    if u.ndim == 0 or any((length == 0).any() for length in lengths):
        raise ValueError("u or v holds a vector of zeros, expected vectors with a direction; leave it out")
    a, b = u / lengths[0], v / lengths[1]
    return 2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)) / np.pi


def violations(outcomes: ArrayLike, individuals: ArrayLike, c: ArrayLike) -> Array:
    """Count how many pairs are treated more differently than they are.

    Parameters
    ----------
    outcomes : (P,) numbers
        D(Mx, My) of each pair, 0 or more.
    individuals : (P,) numbers
        d(x, y) of each pair, 0 or more.
    c : (k,) numbers
        What d is multiplied by, each 0 or more: with c = 1 the condition as it stands, with more a laxer one.

    Returns
    -------
    (k,) float
        For each c the share of pairs with D(Mx, My) > c d(x, y).

    Raises
    ------
    ValueError
        For negative numbers, and for shapes that differ.

    References
    ----------
    Dwork, Hardt, Pitassi, Reingold and Zemel (2012), Fairness through awareness, definition 2.1, the (D, d)-Lipschitz
    property; first paper, section 2.

    Examples
    --------
    >>> violations([1, 1, 0], [0.5, 0.25, 0], [1, 2, 4]).round(2).tolist()
    [0.67, 0.33, 0.0]
    """
    outcomes = checks.numbers(outcomes, "outcomes", low=0)
    individuals = checks.numbers(individuals, "individuals", low=0)
    _alike(outcomes, individuals, "outcomes", "individuals")
    c = checks.numbers(c, "c", low=0)
    return (outcomes > c[:, None] * individuals).mean(1)


def broken_triangles(distance: ArrayLike) -> float:
    """Say how often a way round is shorter than the way straight on, which in a metric it never is.

    Parameters
    ----------
    distance : (N, N) numbers
        How far apart any two of N >= 3 points are: symmetric, 0 or more.

    Returns
    -------
    float
        The share of triangles, three different points, with a side that is longer than the other two together.

    Raises
    ------
    ValueError
        For what is no such table.

    Examples
    --------
    >>> broken_triangles([[0, 1, 3], [1, 0, 1], [3, 1, 0]])
    1.0
    """
    distance = checks.numbers(distance, "distance", low=0, axes=2)
    n = len(distance)
    if n < 3 or distance.shape != (n, n) or not np.allclose(distance, distance.T, atol=ROUNDING):
        raise ValueError(
            f"distance has shape {distance.shape}, expected a symmetric table (N, N) of three points or more"
        )
    i, j, k = (index.ravel() for index in np.meshgrid(*[np.arange(n)] * 3, indexing="ij"))
    once = (i < j) & (j < k)
    sides = np.stack([distance[a[once], b[once]] for a, b in ((i, j), (j, k), (i, k))])
    return float((2 * sides.max(0) > sides.sum(0) + ROUNDING).mean())


def by_class(confusion: ArrayLike) -> pd.DataFrame:
    """Read off a table of answers how a classifier serves each class.

    Parameters
    ----------
    confusion : (K, A) counts
        How many images of each true class got each answer; A >= K, the first K answers are the classes, and whatever
        follows is right for nobody.

    Returns
    -------
    DataFrame
        A row per class: `n`, its images; `recall`, the share of these that are called so; `precision`, the share of
        what is called so that is; NaN where nothing is called so.

    Raises
    ------
    ValueError
        For what are no such counts, and for a class without an image.

    Examples
    --------
    >>> by_class([[3, 1], [2, 4]])[["recall", "precision"]].round(2).to_numpy().tolist()
    [[0.75, 0.6], [0.67, 0.8]]
    """
    confusion = checks.counts(confusion, "confusion", axes=2)
    classes, answers = confusion.shape
    if answers < classes or (confusion.sum(1) == 0).any():
        raise ValueError(
            f"confusion has shape {confusion.shape}, expected at least as many answers as classes and an image of each"
        )
    right, n, called = confusion.diagonal(), confusion.sum(1), confusion.sum(0)[:classes]
    precision = np.divide(right, called, out=np.full(classes, np.nan), where=called > 0)
    return pd.DataFrame({"n": n.astype(int), "recall": right / n, "precision": precision})


def gaps_by_chance(right: int, n: ArrayLike, *, draws: int, seed: int) -> NDArray[np.float64]:
    """Draw what lies between the best class and the worst where all classes are served alike.

    Parameters
    ----------
    right : int
        Right answers in all.
    n : (K,) counts
        Images of each class, 1 or more.
    draws : int
        How often chance deals.
    seed : int
        Of the deals.

    Returns
    -------
    (draws, 2) float
        The worst class's recall, and the best minus the worst.

    Raises
    ------
    ValueError
        For more right answers than images, and for what are no counts.

    Notes
    -----
    The right answers are dealt to the images without regard to their class: a permutation, so that the counts by class
    are multivariate hypergeometric.
    """
    n = checks.counts(n, "n", low=1, least=2).astype(int)
    checks.whole(right, "right", 0, int(n.sum()))
    checks.whole(draws, "draws")
    checks.whole(seed, "seed", 0)
    recall = np.random.default_rng(seed).multivariate_hypergeometric(n, right, size=draws) / n
    return np.stack([recall.min(1), np.ptp(recall, axis=1)], axis=1)


def _alike(first: Array, second: Array, one: str, other: str) -> None:
    if first.shape != second.shape:
        raise ValueError(f"{one} has shape {first.shape}, {other} {second.shape}, expected the same: pair by pair")
