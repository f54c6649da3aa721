"""Is a classifier as accurate on the images of poor countries as on those of rich ones? Second paper, section 4.

`country_table` counts the right answers of each country, `slope` tests whether accuracy changes with log GDP, `power`
says what such a test could have found, `compare` sets two collections of models against each other. `within_class`
compares like with like, between images of one class. `violations` asks of single pairs of images whether they are
treated alike (first paper, section 2). None needs torch.
"""

from fairlib.fairness.compare import (
    TESTS,
    Comparison,
    compare,
    compare_over_sets,
    intraclass_correlation,
    intraclass_correlation_interval,
    size_within_sets,
)
from fairlib.fairness.effect import band, effect_sizes, influence
from fairlib.fairness.groups import THIRDS, Extremes, extremes, group_accuracy, thirds
from fairlib.fairness.individual import (
    angles,
    broken_triangles,
    by_class,
    gaps_by_chance,
    total_variation,
    violations,
)
from fairlib.fairness.line import Slope
from fairlib.fairness.meta import meta_regression, sampling_variance
from fairlib.fairness.odds import EqualisedOdds, equalised_odds
from fairlib.fairness.paired import ModelComparison, SlopeDifference, compare_models
from fairlib.fairness.power import detectable, power, rejects, simulate
from fairlib.fairness.slope import METHODS, permutation, regression, slope
from fairlib.fairness.sufficient import Least, too_few
from fairlib.fairness.table import LEVEL, country_table, observations, overall
from fairlib.fairness.within import ClassSlope, Explained, Overlap, class_overlap, explained_by_classes, within_class

__all__ = [
    "LEVEL",
    "METHODS",
    "TESTS",
    "THIRDS",
    "ClassSlope",
    "Comparison",
    "EqualisedOdds",
    "Explained",
    "Extremes",
    "Least",
    "ModelComparison",
    "Overlap",
    "Slope",
    "SlopeDifference",
    "angles",
    "band",
    "broken_triangles",
    "by_class",
    "class_overlap",
    "compare",
    "compare_models",
    "compare_over_sets",
    "country_table",
    "detectable",
    "effect_sizes",
    "equalised_odds",
    "explained_by_classes",
    "extremes",
    "gaps_by_chance",
    "group_accuracy",
    "influence",
    "intraclass_correlation",
    "intraclass_correlation_interval",
    "meta_regression",
    "observations",
    "overall",
    "permutation",
    "power",
    "regression",
    "rejects",
    "sampling_variance",
    "simulate",
    "size_within_sets",
    "slope",
    "thirds",
    "too_few",
    "total_variation",
    "violations",
    "within_class",
]
