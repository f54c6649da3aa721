"""The first page: four questions, to each the answer in plain words that its numbers give, and what it rests on.

`numbers` has what the answers stand on, and what their pictures show; `cards` has the words.
"""

from fairlib.book.front.cards import Answer, above, answers, below, shown
from fairlib.book.front.numbers import early, farther, gains, pictures, thirds

__all__ = ["Answer", "above", "answers", "below", "early", "farther", "gains", "pictures", "shown", "thirds"]
