"""The book's figures: each function returns a figure and its alt text; `show` puts both on the page.

One module per part of the book: `pictures`; `curves` and `marks` for the first paper; `attacks` and `fairness` for the
second; `ledger`. All share `style`.
"""

from fairlib.book.plots.attacks import beside_paper, defences, duality, roundings, steps, swept
from fairlib.book.plots.curves import accuracy_curves, attackers, rounding, scaling, surrogates
from fairlib.book.plots.fairness import (
    ARMS,
    TESTED,
    TOLD,
    arm_changes,
    data_weights,
    perception,
    rejections,
    slope_boxes,
    step_sizes,
    wealth,
)
from fairlib.book.plots.ledger import verdicts
from fairlib.book.plots.marks import dots, recall, tradeoff, trainings
from fairlib.book.plots.pictures import images, photographs, votes
from fairlib.book.plots.style import show

__all__ = [
    "ARMS", "TESTED", "TOLD", "accuracy_curves", "arm_changes", "attackers", "beside_paper", "data_weights", "defences",
    "dots", "duality", "images", "perception", "photographs", "recall", "rejections", "rounding", "roundings",
    "scaling", "show", "slope_boxes", "step_sizes", "steps", "surrogates", "swept", "tradeoff", "trainings", "verdicts",
    "votes", "wealth",
]  # fmt: skip
