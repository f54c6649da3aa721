"""What the second paper leaves open: what each choice changes, out of what the other chapters have recorded.

The choices are `data/tables/ambiguities_hua.csv`. Its column `measures` names, with ";" between them, what measures a
row: keys of `EFFECTS`, and of `QUANTITIES`, numbers of the ledger (`chapter:quantity`). Nothing is run here.
"""

from fairlib.book.experiments.ambiguities_hua import told
from fairlib.book.experiments.ambiguities_hua.attacks import IMAGE_SET, denominators
from fairlib.book.experiments.ambiguities_hua.choices import (
    EFFECTS,
    QUANTITIES,
    SOURCES,
    images,
    ledger,
    link,
    measured,
    numbers,
    text,
)
from fairlib.book.experiments.ambiguities_hua.kinds import OUTCOMES

__all__ = [
    "EFFECTS", "IMAGE_SET", "OUTCOMES", "QUANTITIES", "SOURCES", "denominators", "images", "ledger", "link", "measured",
    "numbers", "text", "told",
]  # fmt: skip
