"""CR2 and Satterthwaite's degrees of freedom against the textbook's matrices, and against what they are to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlib.fairness import clustered


def textbook(y, X, classes, clusters):
    """The same from N x N matrices, an intercept a column: slopes, errors, degrees of freedom."""
    p = X.shape[1]
    Z = np.concatenate([X, classes[:, None] == np.unique(classes)], 1).astype(float)
    M = np.linalg.inv(Z.T @ Z)
    H = Z @ M @ Z.T
    residuals = y - H @ y
    middle, vectors = np.zeros_like(M), []
    for g in np.unique(clusters):
        rows = np.flatnonzero(clusters == g)
        eigenvalues, Q = np.linalg.eigh((np.eye(len(y)) - H)[np.ix_(rows, rows)])
        root = np.where(eigenvalues > 1e-8, np.maximum(eigenvalues, 1e-8) ** -0.5, 0.0)
        adjusted = Q @ np.diag(root) @ Q.T @ Z[rows]
        score = adjusted.T @ residuals[rows]
        middle += np.outer(score, score)
        vectors.append((np.eye(len(y)) - H)[:, rows] @ adjusted @ M)
    errors = np.sqrt(np.diag(M @ middle @ M))
    freedom = []
    for j in range(p):
        w = np.stack([vector[:, j] for vector in vectors])
        products = w @ w.T
        freedom.append(np.trace(products) ** 2 / np.trace(products @ products))
    return (M @ Z.T @ y)[:p], errors[:p], freedom


def made(seed, n, classes, clusters, p):
    """Regressors of which the first is one number per cluster."""
    rng = np.random.default_rng(seed)
    cluster = np.unique(rng.integers(clusters, size=n), return_inverse=True)[1]
    label = np.unique(rng.integers(classes, size=n), return_inverse=True)[1]
    X = rng.standard_normal((n, p))
    X[:, 0] = rng.standard_normal(clusters)[cluster]
    return (rng.random(n) < 0.6).astype(float), X, label, cluster


def with_effects(y, X, classes, clusters, image, effect):
    """Errors and degrees of freedom from N x N matrices, where errors have the covariance image I + effect J."""
    Z = np.concatenate([X, classes[:, None] == np.unique(classes)], 1).astype(float)
    M = np.linalg.inv(Z.T @ Z)
    away = np.eye(len(y)) - Z @ M @ Z.T
    covariance = image * np.eye(len(y)) + effect * (clusters[:, None] == clusters)
    errors, freedom = [], []
    for j in range(X.shape[1]):
        w = []
        for g in np.unique(clusters):
            rows = np.flatnonzero(clusters == g)
            eigenvalues, Q = np.linalg.eigh(away[np.ix_(rows, rows)])
            root = np.where(eigenvalues > 1e-8, np.maximum(eigenvalues, 1e-8) ** -0.5, 0.0)
            w.append(away[:, rows] @ Q @ np.diag(root) @ Q.T @ Z[rows] @ M[:, j])
        w = np.stack(w)
        products, true = w @ covariance @ w.T, M[j] @ Z.T @ covariance @ Z @ M[j]
        errors.append(np.sqrt(((w @ y) ** 2).sum() / min(1, np.trace(products) / true)))
        freedom.append(np.trace(products) ** 2 / np.trace(products @ products))
    return errors, freedom


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("effect", [0.02, 0.5])
def test_with_effects_it_is_that_of_the_whole_matrices(monkeypatch, p, effect):
    monkeypatch.setattr(clustered, "_components", lambda *_: (0.3, effect))
    data = made(5, 110, 6, 9, p)
    found, plain = clustered.clustered_fit(*data, effects=True), clustered.clustered_fit(*data)
    errors, freedom = with_effects(*data, 0.3, effect)
    assert found.standard_errors == pytest.approx(np.array(errors), rel=1e-6)
    assert found.degrees_of_freedom == pytest.approx(np.array(freedom), rel=1e-6)
    assert found.slopes == pytest.approx(plain.slopes)
    assert abs(found.degrees_of_freedom[0] / plain.degrees_of_freedom[0] - 1) > 1e-3


def test_without_an_effect_nothing_changes(monkeypatch):
    monkeypatch.setattr(clustered, "_components", lambda *_: (0.3, 0.0))
    data = made(5, 110, 6, 9, 2)
    for value, expected in zip(
        clustered.clustered_fit(*data, effects=True), clustered.clustered_fit(*data), strict=True
    ):
        assert value.tolist() == expected.tolist()


def test_the_variances_are_those_that_were_drawn(monkeypatch):
    """Means over many draws, in clusters of very different sizes; statsmodels' REML on one of them."""
    import pandas as pd
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    sizes = [300, 80, *[12] * 16]
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    classes, x = rng.integers(4, size=len(clusters)), rng.standard_normal(len(sizes))[clusters]
    kept = []
    components = clustered._components
    monkeypatch.setattr(clustered, "_components", lambda *a: kept.append(components(*a)) or kept[-1])
    for _ in range(150):
        y = np.sqrt(0.2) * rng.standard_normal(len(x)) + np.sqrt(0.05) * rng.standard_normal(len(sizes))[clusters]
        clustered.clustered_fit(y, x[:, None], classes, clusters, effects=True)
    assert np.mean(kept, 0) == pytest.approx([0.2, 0.05], rel=0.1)
    X = pd.get_dummies(classes).assign(x=x).to_numpy(float)
    reml = sm.MixedLM(y, X, groups=clusters).fit(reml=True)
    assert kept[-1] == pytest.approx((reml.scale, float(np.asarray(reml.cov_re)[0, 0])), rel=0.25)


def test_no_effect_is_found_where_there_is_none():
    rng = np.random.default_rng(1)
    _, X, classes, clusters = made(3, 400, 5, 12, 1)
    same = []
    for _ in range(60):
        y = rng.standard_normal(400)
        fits = [clustered.clustered_fit(y, X, classes, clusters, effects=effects) for effects in (True, False)]
        same.append(fits[0].degrees_of_freedom.tolist() == fits[1].degrees_of_freedom.tolist())
    assert 0.3 < np.mean(same) < 0.9  # about half: what is estimated below zero is none


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(60, 120), st.integers(1, 9), st.integers(4, 50), st.integers(1, 2))
def test_it_is_the_textbooks(seed, n, classes, clusters, p):
    """With more clusters than classes, and with fewer, which the degrees of freedom come from by different sums."""
    data = made(seed, n, classes, clusters, p)
    for value, expected in zip(clustered.clustered_fit(*data), textbook(*data), strict=True):
        assert value == pytest.approx(np.asarray(expected), rel=1e-6)


def test_classes_of_one_cluster_change_nothing():
    y, X, classes, clusters = made(1, 90, 5, 8, 1)
    classes = np.where(clusters == 3, 5, classes)  # what cluster 3 shows nobody else does
    other = clusters != 3
    whole = clustered.clustered_fit(y, X, classes, clusters)
    kept = np.unique(clusters[other], return_inverse=True)[1]
    part = clustered.clustered_fit(y[other], X[other], classes[other], kept)
    for value, expected in zip(whole, part, strict=True):
        assert value == pytest.approx(expected)


def test_independent_images_of_one_class_have_the_errors_of_hc2():
    """Each image a cluster of its own: the residuals over the roots of 1 - leverage (MacKinnon and White 1985)."""
    import statsmodels.api as sm

    y, X, classes, _ = made(2, 40, 1, 9, 2)
    fit = clustered.clustered_fit(y, X, classes, np.arange(40))
    expected = sm.OLS(y, sm.add_constant(X)).fit(cov_type="HC2")
    assert fit.slopes == pytest.approx(expected.params[1:])
    assert fit.standard_errors == pytest.approx(expected.bse[1:])


def test_two_equal_arms_have_the_degrees_of_freedom_of_a_t_test():
    """Half of the clusters at 0, half at 1, of equal size: the t-test of two times four cluster means, of 6 degrees."""
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(8), 5)
    X = (clusters % 2).astype(float)[:, None]
    y = rng.standard_normal(8)[clusters] + rng.standard_normal(40)
    fit = clustered.clustered_fit(y, X, np.zeros(40, dtype=int), clusters)
    means = y.reshape(8, 5).mean(1)
    error = np.sqrt(means[::2].var(ddof=1) / 4 + means[1::2].var(ddof=1) / 4)
    assert fit.slopes == pytest.approx([means[1::2].mean() - means[::2].mean()])
    assert fit.standard_errors == pytest.approx([error])
    assert fit.degrees_of_freedom == pytest.approx([6.0])


def test_demeaning_takes_out_what_a_class_has_in_common():
    values = np.array([1.0, 3.0, 10.0, 20.0, 7.0])
    assert clustered.demeaned(values, np.array([0, 0, 1, 1, 2])) == pytest.approx([-1, 1, -5, 5, 0])
    assert clustered.demeaned(values[:, None], np.array([0, 0, 1, 1, 2])).shape == (5, 1)


def test_the_mean_of_equal_clusters_is_that_of_their_means():
    clusters = np.repeat(np.arange(6), 4)
    values = np.random.default_rng(4).standard_normal(24) + clusters
    means = values.reshape(6, 4).mean(1)
    mean, error, freedom = clustered.clustered_mean(values, clusters)
    assert (mean, error, freedom) == pytest.approx((values.mean(), means.std(ddof=1) / np.sqrt(6), 5))


def test_the_mean_of_unequal_clusters_is_the_textbooks():
    """The intercept of a regression on nothing else: the textbook's, its one class at zero in a column of its own."""
    rng = np.random.default_rng(5)
    clusters = np.unique(rng.choice(7, 60, p=np.arange(1, 8) / 28), return_inverse=True)[1]
    values = rng.standard_normal(60) + rng.standard_normal(7)[clusters]
    M, residuals, error, w = 1 / 60, values - values.mean(), 0.0, []
    for g in range(7):
        rows = clusters == g
        block = np.eye(rows.sum()) - np.full((rows.sum(),) * 2, M)
        eigenvalues, Q = np.linalg.eigh(block)
        adjusted = Q @ np.diag(eigenvalues**-0.5) @ Q.T @ np.ones(rows.sum())
        error += (adjusted @ residuals[rows] * M) ** 2
        w.append((np.eye(60) - np.full((60, 60), M))[:, rows] @ adjusted * M)
    products = np.array(w) @ np.array(w).T
    freedom = np.trace(products) ** 2 / np.trace(products @ products)
    assert clustered.clustered_mean(values, clusters) == pytest.approx((values.mean(), np.sqrt(error), freedom))


def test_one_cluster_has_a_mean_and_no_error():
    mean, error, freedom = clustered.clustered_mean(np.array([1.0, 2.0]), np.array([0, 0]))
    assert mean == 1.5 and np.isnan(error) and np.isnan(freedom)
