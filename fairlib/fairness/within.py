"""Like with like: the slope of accuracy on wealth between images of one class.

A country whose images show the harder classes is less accurate without being served worse. So the classes' own levels
are taken out of accuracy and of wealth, and what is left is compared between countries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from fairlib import checks
from fairlib.fairness.clustered import Fit, clustered_fit, demeaned
from fairlib.fairness.images import Codes, Images, images, means, numbered, wealth_within
from fairlib.fairness.line import Slope
from fairlib.fairness.slope import slope
from fairlib.fairness.table import LEVEL, Array, country_table

LEAST_COUNTRIES = 3  # two leave no error to test a slope between them with
VARIES = 1e-7  # of log wealth within a class: below is rounding


@dataclass(frozen=True)
class ClassSlope:
    """A slope of accuracy on log wealth between images of one class, and the two-sided test that it is zero.

    Attributes
    ----------
    term : {'between', 'within'}
        The wealth: that of the image's country, or by how much the image's own is above it.
    slope : float
        Accuracy gained per unit of log wealth.
    low, high : float
        Its 95 % interval.
    standard_error : float
        CR2, by cluster, with effects of countries.
    t : float
        Slope over standard error; with Student's distribution, nearly, where the slope is zero.
    degrees_of_freedom : float
        Of t, Satterthwaite's.
    p_value : float
        Two-sided.
    images : int
        All that were given.
    informative_images : int
        Of these, the images of classes within which this wealth differs: a class that is seen in one country alone says
        nothing about `between`.
    classes, countries : int
        In the informative images.
    clusters : int
        What counts as independent, in the informative images.
    clustered_by : {'countries', 'clusters'}
        What that is.
    """

    term: str
    slope: float
    low: float
    high: float
    standard_error: float
    t: float
    degrees_of_freedom: float
    p_value: float
    images: int
    informative_images: int
    classes: int
    countries: int
    clusters: int
    clustered_by: str


def within_class(
    right: ArrayLike,
    log_wealth: ArrayLike,
    classes: Sequence,
    countries: Sequence,
    *,
    clusters: Sequence | None = None,
) -> dict[str, ClassSlope]:
    """Estimate the slope of accuracy on log wealth between images of one class, and test that it is zero.

    Parameters
    ----------
    right : (N,) bool
        Whether each image is classified correctly.
    log_wealth : (N,) numbers
        Natural logarithm of the wealth of each image: its country's (GDP per head), or its own (a household's income).
    classes : sequence of N labels
        What each image shows.
    countries : sequence of N labels
        Where it comes from.
    clusters : sequence of N labels, optional
        Which images are not independent within a country (a household, a photographer).

    Returns
    -------
    dict of ClassSlope
        `between`: on the mean log wealth of the country; with three countries or more. `within`: on the deviation from
        it; where wealth differs within countries. The first is the primary analysis.

    Raises
    ------
    ValueError
        When a label is missing, the arguments differ in length, or the images have no slope to test: the wealth does
        not differ within any class, all images or none are right, fewer than three countries have one wealth each or no
        `clusters`, or two wealths cannot be told apart.

    Notes
    -----
    y_i = alpha_c + beta_between m_g + beta_within (x_i - m_g) + e_i, for image i of class c and country g, by least
    squares: y_i is 1 for a right answer and 0 otherwise, x_i log wealth, m_g its mean over the country's images. The
    intercepts alpha are taken out by demeaning, not estimated one by one. Where each country has one wealth, there is
    no second slope. The two are never averaged: rich countries may be served better, and rich households of one not.

    The errors e_i of one country may depend on each other in any way: CR2 by country, with Satterthwaite's degrees of
    freedom (`fairlib.fairness.clustered`), which are few where few countries carry the slope. Both allow for an effect
    of each country, as large as the residuals have it: without it the test rejects too often where most images come
    from few countries. Households lie within countries, so that they are allowed for. With one or two countries,
    clusters take the place of countries: the slope is one within these countries, and says nothing about others.

    Class may mediate: a model that is worse at what the poor own is worse for the poor. The slope is adjusted for
    class, not corrected; the raw one, `fairlib.fairness.slope`, belongs beside it (`explained_by_classes`).

    References
    ----------
    Bell and McCaffrey, Bias reduction in standard errors for linear regression with multi-stage samples, 2002.
    Pustejovsky and Tipton, Small-sample methods for cluster-robust variance estimation and hypothesis testing in fixed
    effects models, 2018.
    """
    known = images(right, log_wealth, classes, countries, clusters)
    return slopes(_some_of_each(known.right), known)


def _some_of_each(right: Array) -> Array:
    """Refuse answers (N,) that are all right or all wrong."""
    if np.ptp(right) == 0:
        which = "every" if right[0] else "no"
        raise ValueError(f"{which} image is right, so there is no error to test a slope with")
    return right


def slopes(y: Array, known: Images) -> dict[str, ClassSlope]:
    """The slopes of `within_class` for any number y (N,) of each image, such as the difference of two answers."""
    terms, clustered_by = regressors(known)
    labels = known.countries if clustered_by == "countries" else known.clusters
    X = np.stack(list(terms.values()), 1)
    differs = _varies_within_classes(X, known.classes)
    _testable(X, differs, known.classes, labels)
    chosen = differs.any(1)
    used, clusters = known.only(chosen), np.unique(labels[chosen], return_inverse=True)[1]
    of_countries = clustered_by == "countries"
    fit = clustered_fit(y[chosen], X[chosen], used.classes, clusters, effects=of_countries)
    scale = np.ptp(y) / np.ptp(X, axis=0) if np.ptp(y) else np.ones(X.shape[1])
    if (fit.standard_errors < 1e-12 * scale).any():
        raise ValueError("the slope fits every image, so there is no error to test it with; more images are needed")
    return {
        term: _class_slope(term, fit, j, known, differs[:, j], labels, clustered_by)
        for j, term in enumerate(terms)
        if term == "within" or of_countries
    }


def regressors(known: Images) -> tuple[dict[str, Array], str]:
    """The wealths that accuracy is explained by, (N,) each, and what is independent: 'countries' or 'clusters'."""
    within = wealth_within(known.log_wealth, known.countries)
    between = means(known.log_wealth, known.countries)
    count = known.countries.max() + 1
    if count >= LEAST_COUNTRIES:
        return {"between": between} | ({"within": within} if within.any() else {}), "countries"
    if not within.any() or known.clusters is None:
        raise ValueError(
            f"{count} countr{'y' if count == 1 else 'ies'}, expected at least {LEAST_COUNTRIES}; with fewer, give a "
            "wealth per image, and as clusters what is independent, such as households"
        )
    # With two countries their difference is taken out, but not tested: nothing says how much any two differ.
    terms = {"between": between} if _varies_within_classes(between[:, None], known.classes).any() else {}
    return terms | {"within": within}, "clusters"


def _varies_within_classes(X: Array, classes: Codes) -> np.ndarray:
    """For each image (N,) and wealth (p,), whether that wealth differs among the images of its class."""
    away = np.abs(demeaned(X, classes)) > VARIES
    return np.stack([np.bincount(classes, column) > 0 for column in away.T], 1)[classes]


def _testable(X: Array, differs: np.ndarray, classes: Codes, labels: Codes) -> None:
    """Refuse images that have no slopes of X (N, p) to test."""
    if not differs.any():
        raise ValueError(
            "no class is seen with two wealths, so there is nothing to compare like with like; take coarser classes"
        )
    if np.linalg.matrix_rank(demeaned(X, classes)) < X.shape[1]:
        raise ValueError(
            "the wealth between and within countries cannot be told apart within classes; take coarser classes, or one "
            "wealth per country"
        )
    if (count := len(np.unique(labels[differs.any(1)]))) < LEAST_COUNTRIES:
        raise ValueError(
            f"classes seen with two wealths come from {count} countries or clusters, expected at least "
            f"{LEAST_COUNTRIES}; take coarser classes"
        )


def _class_slope(
    term: str, fit: Fit, j: int, known: Images, informative: np.ndarray, labels: Codes, clustered_by: str
) -> ClassSlope:
    """The j-th slope of a fit, with its test."""
    estimate, error, freedom = (float(values[j]) for values in fit)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return ClassSlope(
        term=term,
        slope=estimate,
        low=estimate - half,
        high=estimate + half,
        standard_error=error,
        t=estimate / error,
        degrees_of_freedom=freedom,
        p_value=float(2 * stats.t.sf(abs(estimate / error), freedom)),
        images=len(known.right),
        informative_images=int(informative.sum()),
        classes=len(np.unique(known.classes[informative])),
        countries=len(np.unique(known.countries[informative])),
        clusters=len(np.unique(labels[informative])),
        clustered_by=clustered_by,
    )


@dataclass(frozen=True)
class Explained:
    """What the classes explain of a slope between countries.

    Attributes
    ----------
    raw : Slope
        Of the country table, by the paper's regression.
    unadjusted : ClassSlope
        By the adjusted slope's regression and with its weights, but all images in one class.
    adjusted : ClassSlope
        Between images of one class.
    explained : float
        `unadjusted` minus `adjusted`: what goes with the mix of classes.
    """

    raw: Slope
    unadjusted: ClassSlope
    adjusted: ClassSlope
    explained: float


def explained_by_classes(
    right: ArrayLike, log_wealth: ArrayLike, classes: Sequence, countries: Sequence, *, method: str = "gls"
) -> Explained:
    """Set the slope within classes beside the raw one.

    Parameters
    ----------
    right, log_wealth, classes, countries
        As for `within_class`, with three countries or more; a country's wealth is the mean of its images' logarithms.
    method : str
        How the raw slope is tested, as in `fairlib.fairness.slope`.

    Returns
    -------
    Explained
        The slopes, and what the classes explain.

    Raises
    ------
    ValueError
        As `within_class` and `fairlib.fairness.slope` do.

    Notes
    -----
    The raw slope weighs countries by the paper's sqrt(n_i), the adjusted one all images alike. So what classes explain
    is taken from the unadjusted slope, which differs from the adjusted one in the classes alone. It is what goes with
    class, no bias that was removed: where poverty decides what people own, class is a way by which it acts.
    """
    known = images(right, log_wealth, classes, countries, None)
    known = known._replace(log_wealth=means(known.log_wealth, known.countries))
    if (count := known.countries.max() + 1) < LEAST_COUNTRIES:
        raise ValueError(f"{count} countries, expected at least {LEAST_COUNTRIES} to compare slopes between them")
    adjusted = slopes(_some_of_each(known.right), known)["between"]
    unadjusted = slopes(known.right, known._replace(classes=np.zeros_like(known.classes)))["between"]
    wealth = pd.Series(known.log_wealth).groupby(known.countries).first()
    raw = slope(country_table(known.countries, known.right.astype(bool), wealth), method)
    return Explained(raw=raw, unadjusted=unadjusted, adjusted=adjusted, explained=unadjusted.slope - adjusted.slope)


@dataclass(frozen=True)
class Overlap:
    """How far countries show the same classes.

    Attributes
    ----------
    counts : DataFrame
        Images of each class (rows) in each country (columns).
    shared_classes : float
        Share of the classes that are seen in two countries or more.
    shared_images : float
        Share of the images that show such a class; the others say nothing about countries, like with like.
    """

    counts: pd.DataFrame
    shared_classes: float
    shared_images: float


def class_overlap(classes: Sequence, countries: Sequence) -> Overlap:
    """Count the images of each class in each country, and the classes that countries share.

    Parameters
    ----------
    classes, countries : sequence of N labels
        Of each image.

    Returns
    -------
    Overlap
        The counts, and the shares of classes and of images seen in two countries or more.

    Raises
    ------
    ValueError
        When a label is missing, or the arguments differ in length.

    Examples
    --------
    >>> class_overlap(["stove", "stove", "soap"], ["PER", "NOR", "PER"]).shared_classes
    0.5
    """
    checks.several(classes, "classes")
    number, names = numbered(classes, "classes", len(classes))
    country, country_names = numbered(countries, "countries", len(classes))
    if not len(number):
        raise ValueError("classes holds no image, expected one or more")
    counts = np.bincount(number * len(country_names) + country, minlength=len(names) * len(country_names))
    counts = counts.reshape(len(names), len(country_names))
    shared = (counts > 0).sum(1) >= 2
    table = pd.DataFrame(counts, index=names.rename("class"), columns=country_names.rename("country"))
    return Overlap(
        counts=table,
        shared_classes=float(shared.mean()),
        shared_images=float(counts[shared].sum() / counts.sum()),
    )
