"""The book's figures: each function returns a figure and its alt text; `show` puts both on the page.

One module per part of the book: `pictures` and, as HTML, `tiles`; `curves`, `marks`, `individual` and `certain` for
the first paper; `attacks` and `fairness` for the second, with `worst_case`, `frontier` and `beside`; `ledger`; `worlds`
for the audit; `front` for the first page. All share `style`.
"""

from fairlib.book.plots.attacks import beside_paper, defences, duality, roundings, steps, swept
from fairlib.book.plots.beside import METHODS, beside
from fairlib.book.plots.certain import certificates
from fairlib.book.plots.curves import accuracy_curves, attackers, rounding, scaling, surrogates
from fairlib.book.plots.fairness import (
    ARMS,
    TOLD,
    data_weights,
    perception,
    slope_boxes,
    step_sizes,
    wealth,
)
from fairlib.book.plots.front import card
from fairlib.book.plots.frontier import frontiers
from fairlib.book.plots.individual import alike, layers, scales, served
from fairlib.book.plots.ledger import recorded, verdicts
from fairlib.book.plots.marks import dots, recall, tradeoff, trainings
from fairlib.book.plots.pictures import images, photographs, votes
from fairlib.book.plots.style import show
from fairlib.book.plots.tiles import framed, tiles
from fairlib.book.plots.worlds import made_worlds
from fairlib.book.plots.worst_case import lines, shared_attacks

__all__ = [
    "ARMS", "METHODS", "TOLD", "accuracy_curves", "alike", "attackers", "beside", "beside_paper", "card",
    "certificates", "data_weights", "defences", "dots", "duality", "framed", "frontiers", "images", "layers", "lines",
    "made_worlds", "perception", "photographs", "recall", "recorded", "rounding", "roundings", "scales", "scaling",
    "served", "shared_attacks", "show", "slope_boxes", "step_sizes", "steps", "surrogates", "swept", "tiles",
    "tradeoff", "trainings", "verdicts", "votes", "wealth",
]  # fmt: skip
