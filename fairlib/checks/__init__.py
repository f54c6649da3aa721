"""Bad input, refused in one place: each check says what was wrong, what was expected and how to mend it.

Every error is a ValueError. Checks of tensors load torch when they are called: what works on numbers does without it.
"""

from fairlib.checks.arrays import answers, columns, counts, numbers
from fairlib.checks.tensors import channels, classified, evaluating, fitting, generator, images, labels, pair, sides
from fairlib.checks.values import (
    finite,
    instance,
    not_negative,
    one_of,
    path,
    positive,
    several,
    share,
    unit,
    whole,
)

__all__ = [
    "answers",
    "channels",
    "classified",
    "columns",
    "counts",
    "evaluating",
    "finite",
    "fitting",
    "generator",
    "images",
    "instance",
    "labels",
    "not_negative",
    "numbers",
    "one_of",
    "pair",
    "path",
    "positive",
    "several",
    "share",
    "sides",
    "unit",
    "whole",
]
