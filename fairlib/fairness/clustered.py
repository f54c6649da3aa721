"""Least squares with an intercept for each class, and errors that hold where images of one cluster belong together."""

from typing import NamedTuple

import numpy as np

from fairlib.fairness.images import Codes
from fairlib.fairness.table import Array

NONE = 1e-8  # a share of a cluster in its own fit this close to 1 leaves nothing of it
RANK = 1e-10  # below this an eigenvalue is zero but for rounding
ROUNDS = 30  # in which the variances settle


class Fit(NamedTuple):
    """Slopes of p regressors: (p,) each."""

    slopes: Array
    standard_errors: Array
    degrees_of_freedom: Array


def demeaned(values: Array, classes: Codes) -> Array:
    """Values (N,) or (N, p) less the mean of their class, which is what an intercept for each class leaves."""
    n = np.bincount(classes)
    columns = values[:, None] if values.ndim == 1 else values
    sums = np.stack([np.bincount(classes, column) for column in columns.T], 1)
    return (columns - (sums / np.maximum(n, 1)[:, None])[classes]).reshape(values.shape)


def clustered_fit(y: Array, regressors: Array, classes: Codes, clusters: Codes, *, effects: bool = False) -> Fit:
    """Fit y on regressors and an intercept per class, with errors by CR2 and their degrees of freedom.

    Parameters
    ----------
    y : (N,) float64
        What is explained.
    regressors : (N, p) float64
        Not collinear within classes; not checked.
    classes, clusters : (N,) int
        From 0 upwards, none left out.
    effects : bool
        Whether clusters may have effects of their own that the regressors do not explain; then a few hundred of them at
        most.

    Returns
    -------
    Fit
        The slopes of the regressors.

    Notes
    -----
    With X the regressors demeaned by class, Z that and the classes' intercepts, M = (X'X)^-1 and residuals e:

    slopes = M X'y.

    CR2: their covariance is M (sum_g X_g' A_g e_g e_g' A_g X_g) M, where A_g is the symmetric pseudo-inverse root of
    I - H_gg and H = Z (Z'Z)^-1 Z' the whole hat matrix: where errors are independent and equal, it has no bias.

    Satterthwaite: with w_g = (I - H)_g' A_g X_g M_j, the vectors (N,) that the j-th slope's error is made of, and P
    their products P_gh = w_g'w_h, there are (tr P)^2 / tr(P P) degrees of freedom.

    Neither needs an N x N matrix. H_gg = B_g B_g', where B_g has the columns 1 / sqrt(n_k) at the images of class k and
    X_g M^(1/2), so that A_g comes from the eigenvectors of B_g'B_g. And with v_g = A_g X_g M_j the products are
    P = diag(v_g'v_g) - L L', where the rows of L are B_g'v_g.

    Both take errors to be independent and equal. Where clusters have effects, those of many images weigh more in the
    slope than these say: the error is too small, its degrees of freedom too many. With `effects` the errors are of
    covariance v I + u J, J one within a cluster and zero elsewhere, v and u as the residuals have them (`_components`).
    Then P_gh = w_g'(v I + u J) w_h = v (the above) + u S S', S = diag(1'v_g) - L C', where the rows of C are B_g'1; the
    error's square has the mean tr P, and is divided by tr P / (M X'(v I + u J) X M)_jj where that is below 1. Where u
    is estimated as zero, nothing changes.

    References
    ----------
    Bell and McCaffrey, Bias reduction in standard errors for linear regression with multi-stage samples, 2002.
    Pustejovsky and Tipton, Small-sample methods for cluster-robust variance estimation and hypothesis testing in fixed
    effects models, 2018. Imbens and Kolesar, Robust standard errors in small samples, 2016: effects of clusters in the
    degrees of freedom.
    """
    n = np.bincount(classes)
    X, y = demeaned(regressors, classes), demeaned(y, classes)
    inverse = np.linalg.inv(X.T @ X)
    half = np.linalg.cholesky(inverse)
    slopes = inverse @ (X.T @ y)
    residuals = y - X @ slopes
    members = np.split(np.argsort(clusters, kind="stable"), np.cumsum(np.bincount(clusters))[:-1])
    p = X.shape[1]
    scores, squares = np.zeros((len(members), p)), np.zeros((len(members), p))
    loadings, sums = np.zeros((p, len(members), len(n) + p)), np.zeros((len(members), len(n) + p))
    ones, totals = np.zeros((len(members), p)), np.zeros((len(members), p))
    for g, rows in enumerate(members):
        own = X[rows]
        present, column = np.unique(classes[rows], return_inverse=True)
        indicators = np.zeros((len(rows), len(present)))
        indicators[np.arange(len(rows)), column] = n[present][column] ** -0.5
        adjusted = _adjusted(own, np.concatenate([indicators, own @ half], 1))
        scores[g] = adjusted.T @ residuals[rows]
        parts = adjusted @ inverse  # v_g of each slope
        squares[g] = (parts**2).sum(0)
        loadings[:, g, present] = (indicators.T @ parts).T
        loadings[:, g, len(n) :] = (half.T @ own.T @ parts).T
        sums[g, present], sums[g, len(n) :] = indicators.sum(0), own.sum(0) @ half
        ones[g], totals[g] = parts.sum(0), own.sum(0) @ inverse
    covariance = inverse @ (scores.T @ scores) @ inverse
    variances = np.diag(covariance).copy()
    degrees_of_freedom = np.array([_satterthwaite(squares[:, j], loadings[j]) for j in range(p)])
    image, effect = _components(residuals, clusters, sums) if effects else (1.0, 0.0)
    for j in range(p) if effect > 0 else ():
        products = image * (np.diag(squares[:, j]) - loadings[j] @ loadings[j].T)
        shared = np.diag(ones[:, j]) - loadings[j] @ sums.T
        products += effect * shared @ shared.T
        true = image * inverse[j, j] + effect * (totals[:, j] ** 2).sum()
        variances[j] /= min(1.0, np.trace(products) / true)
        degrees_of_freedom[j] = np.trace(products) ** 2 / (products**2).sum()
    return Fit(slopes, np.sqrt(variances), degrees_of_freedom)


def _components(residuals: Array, clusters: Codes, sums: Array) -> tuple[float, float]:
    """The variance of images and that of clusters' effects, not below zero, from the residuals of `clustered_fit`.

    With s_g the sum of a cluster's residuals e, R = diag(n_g) - C C' and r the number of columns of C,
    E sum_i e_i^2 = v (N - r) + u tr R, and E s_g^2 = v R_gg + u (R R)_gg. The second is summed with the weights
    (v + u n_g)^-2, which are best where there are no columns, and the two are solved until v and u settle.
    """
    n, total = np.bincount(clusters), np.bincount(clusters, residuals)
    squares = float(residuals @ residuals)
    left = len(residuals) - sums.shape[1]
    if left <= 0 or squares <= RANK * len(residuals):
        return 1.0, 0.0
    R = np.diag(n) - sums @ sums.T
    own, twice = np.diag(R), (R**2).sum(1)
    image, effect = squares / left, 0.0
    for _ in range(ROUNDS):
        weights = 1 / (image + effect * n) ** 2
        moments = np.array([[left, own.sum()], [weights @ own, weights @ twice]])
        if np.linalg.matrix_rank(moments) < 2:
            return 1.0, 0.0
        image, effect = np.linalg.solve(moments, [squares, weights @ total**2])
        image, effect = (float(image), float(effect)) if effect > 0 and image > 0 else (squares / left, 0.0)
    return image, effect


def clustered_mean(values: Array, clusters: Codes) -> tuple[float, float, float]:
    """Return the mean of values (N,), its error by CR2, and Satterthwaite's degrees of freedom; NaN of one cluster.

    As `clustered_fit` has them of an intercept alone. With n_g of N images in cluster g, e_g the sum of its residuals
    and a_g = 1 / (1 - n_g / N), the variance is sum_g a_g e_g^2 / N^2, and with 1 for g = h and 0 otherwise in [g = h],
    P_gh = (a_g a_h)^(1/2) (n_g [g = h] - n_g n_h / N).
    """
    n = np.bincount(clusters).astype(float)
    mean = float(values.mean())
    if len(n) < 2:
        return mean, np.nan, np.nan
    lift = 1 / (1 - n / n.sum())
    error = np.sqrt((lift * np.bincount(clusters, values - mean) ** 2).sum()) / n.sum()
    degrees_of_freedom = _satterthwaite(lift * n, (np.sqrt(lift / n.sum()) * n)[:, None])
    return mean, float(error), degrees_of_freedom


def _adjusted(own: Array, columns: Array) -> Array:
    """A_g X_g, where H_gg is `columns` times its transpose."""
    eigenvalues, vectors = np.linalg.eigh(columns.T @ columns)
    some = eigenvalues > RANK
    eigenvalues = eigenvalues[some]
    basis = columns @ vectors[:, some] / np.sqrt(eigenvalues)
    remains = 1 - eigenvalues
    root = np.where(remains > NONE, np.maximum(remains, NONE) ** -0.5, 0.0)
    return own + basis @ ((root - 1)[:, None] * (basis.T @ own))


def _satterthwaite(squares: Array, loadings: Array) -> float:
    """(tr P)^2 / tr(P P) for P = diag(squares) - loadings loadings'."""
    lengths = (loadings**2).sum(1)
    if len(loadings) <= loadings.shape[1]:
        products = np.diag(squares) - loadings @ loadings.T
        return float(np.trace(products) ** 2 / (products**2).sum())
    total = (squares**2).sum() - 2 * (squares * lengths).sum() + ((loadings.T @ loadings) ** 2).sum()
    return float((squares - lengths).sum() ** 2 / total)
