"""Are there enough images for a verdict? If not, what is too few, and what would suffice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairlib import checks
from fairlib.fairness.images import codes
from fairlib.fairness.within import ClassSlope


@dataclass(frozen=True)
class Least:
    """The least numbers for a verdict.

    They are conventions, the same for every set. They are not there to keep the level of the test of
    `fairlib.fairness.within_class`: how often it rejects near and below them where there is no slope is counted on the
    page of made worlds. They are for the rest of a verdict: that it hangs on no single image or country, and that
    finding no slope means something.

    Attributes
    ----------
    images_per_country : int
        Of a country that counts among `countries`: one image then moves its accuracy by a tenth at most. Countries with
        fewer stay in the tests.
    countries : int
        With so many images: four have at most two degrees of freedom.
    right, wrong : int
        Answers: with ten, the 95 % interval of a rare answer's share reaches from half of it to nearly twice.
    degrees_of_freedom : float
        Of the slope within classes. With two or fewer Student's distribution has no variance: one country or two carry
        the slope. With two the 95 % interval is 2.2 times as wide as with many, with one 6.5 times. Tipton (2015)
        distrusts the approximation itself below four; the page of made worlds counts how often the test rejects there.

    References
    ----------
    Tipton, Small sample adjustments for robust variance estimation with meta-regression, 2015.
    """

    images_per_country: int = 10
    countries: int = 5
    right: int = 10
    wrong: int = 10
    degrees_of_freedom: float = 2.0

    def __post_init__(self) -> None:
        for name in ("images_per_country", "countries", "right", "wrong"):
            checks.whole(getattr(self, name), name)
        checks.not_negative(self.degrees_of_freedom, "degrees_of_freedom", "a number of the slope's test")


def too_few(
    right: ArrayLike, countries: Sequence, *, slope: ClassSlope | None = None, least: Least | None = None
) -> list[str]:
    """Say what is too little for a verdict, and what would suffice.

    Parameters
    ----------
    right : (N,) bool
        Whether each image is classified correctly.
    countries : sequence of N labels
        Where each image comes from.
    slope : ClassSlope, optional
        The slope that the verdict is on. None where there is none, or none could be fitted: then its degrees of freedom
        are not asked for.
    least : Least, optional
        The least numbers; by default those of `Least`.

    Returns
    -------
    list of str
        A sentence for each number that is too small; none where the images suffice.

    Raises
    ------
    ValueError
        When there is no image, an answer or a country is missing, or the arguments differ in length.

    Notes
    -----
    Where the slope is clustered by something else than countries, the number of these takes the place of the countries.

    Examples
    --------
    >>> answers, countries = [True] * 2 + [False] * 58, ["PER", "NOR", "MLI", "IND", "USA", "FRA"] * 10
    >>> print(*too_few(answers, countries))
    too few images to say: 2 right answers among 60 images; what would suffice: 10, so about 300 images at this accuracy
    """
    right = checks.answers(right, "right")
    if right.ndim != 1 or not len(right):
        raise ValueError(f"right has shape {right.shape}, expected one answer per image")
    per_country = np.bincount(codes(countries, "countries", len(right)))
    least = Least() if least is None else least
    checks.instance(least, Least, "least", "make one with fairlib.fairness.Least(right=20)")
    sentences = []
    for kind, count, needed in (
        ("right", int(right.sum()), least.right),
        ("wrong", int((~right).sum()), least.wrong),
    ):
        if count < needed:
            enough = f", so about {math.ceil(needed * len(right) / count):,} images at this accuracy" if count else ""
            sentences.append(
                _sentence(f"{_counted(count, f'{kind} answer')} among {_images(len(right))}", f"{needed}{enough}")
            )
    if slope is None or slope.clustered_by == "countries":
        sentences += _countries(per_country, least)
    elif slope.clusters < least.countries:
        sentences.append(
            _sentence(f"{_counted(slope.clusters, 'cluster')} with classes that can be compared", f"{least.countries}")
        )
    if slope is not None and slope.degrees_of_freedom < least.degrees_of_freedom:
        kind = slope.clustered_by
        sentences.append(
            _sentence(
                f"{slope.degrees_of_freedom:.1f} degrees of freedom, because few of the {slope.clusters} {kind} carry "
                "the slope",
                f"{least.degrees_of_freedom:g}; more {kind}, of more different wealth, that show the others' classes",
            )
        )
    return sentences


def _countries(per_country: np.ndarray, least: Least) -> list[str]:
    """What is too little of the countries."""
    enough = int((per_country >= least.images_per_country).sum())
    if enough >= least.countries:
        return []
    missing = np.maximum(least.images_per_country - np.sort(per_country)[::-1][: least.countries], 0).sum()
    more = max(least.countries - len(per_country), 0)
    missing = int(missing + more * least.images_per_country)
    where = f" and from {_counted(more, 'more country')}" if more else ""
    return [
        _sentence(
            f"{_counted(enough, 'country')} with {least.images_per_country} images or more",
            f"{least.countries}, so {missing:,} more images from those with fewer{where}",
        )
    ]


def _sentence(what: str, suffices: str) -> str:
    return f"too few images to say: {what}; what would suffice: {suffices}"


def _images(count: int) -> str:
    return _counted(count, "image")


def _counted(count: int, noun: str) -> str:
    """A number with its noun."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun.removesuffix('y') + 'ies' if noun.endswith('y') else noun + 's'}"
