"""The answers of the first page, in plain words.

A word that a number could turn is chosen by the number: the `word_for_...` take estimates, and their tests turn them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from fairlib import data
from fairlib.book import claims, headlines
from fairlib.book.claims import REPRODUCED, Estimate
from fairlib.book.experiments import fairer
from fairlib.book.front.numbers import AWARE, NOBODY, UNAWARE, early, farther, gains, thirds

COUNTS = ("none", "one", "two", "three", "four")


@dataclass(frozen=True)
class Answer:
    """A card of the first page.

    `question`; `says`, the answer; `key` of the one headline, and `counts`, what it counts; `small`, the conditions;
    `chapter`, the page that it comes from, and `link`, what the way there says.
    """

    question: str
    says: str
    key: str
    counts: str
    small: str
    chapter: str
    link: str


def above(card: Answer) -> str:
    """What stands above a card's picture.

    Parameters
    ----------
    card : Answer
        One of `answers`.

    Returns
    -------
    str
        Markdown: the question, and on a line of its own the answer.
    """
    return f"{card.question}\\\n**{card.says}**"


def below(card: Answer) -> str:
    """What stands below a card's picture.

    Parameters
    ----------
    card : Answer
        One of `answers`.

    Returns
    -------
    str
        Markdown: the number with its interval and what it counts, the way to the chapter, what it rests on.
    """
    number = f"**{headlines.span(card.key)}** {card.counts}. [{card.link}]({card.chapter}.ipynb)"
    return f"{number}\n\nRests on {headlines.estimate(card.key).basis}. {card.small}"


def answers() -> list[Answer]:
    """The four cards, in the order of the page.

    Returns
    -------
    list of Answer

    Raises
    ------
    FileNotFoundError
        Where a chapter has not recorded what its answer needs.
    """
    return [helps(), survives(), invisible(), fairness()]


def helps() -> Answer:
    """Whether the first paper's defence helps against an attacker who does not know it."""
    found = gains()
    attacked, clean = found[UNAWARE], found[NOBODY]
    won, lost = told(map(rises, attacked.values())), told(map(falls, clean.values()))
    return Answer(
        "Does the defence help?",
        word_for_gains(list(attacked.values()), list(clean.values())),
        f"centroid_defense/{best(attacked)}/gain/eps=0.1, of 100",
        f"right answers in 100, in the best of {COUNTS[len(attacked)]} cases. It gains in {won} under attack, and "
        f"loses in {lost} with no attack",
        "A case: a small network on digits or on clothes; LeNet looks at a picture patch by patch, the plain net at "
        "all pixels at once. The attacker does not know the defence and moves each pixel by up to a tenth of the way "
        "from black to white.",
        "centroid_defense",
        "How it works",
    )


def word_for_gains(attacked: Sequence[Estimate], clean: Sequence[Estimate]) -> str:
    """The answer to "does it help?".

    Parameters
    ----------
    attacked, clean : sequence of Estimate
        What the defence changes of the accuracy, under attack and without one, a number for each case.

    Returns
    -------
    str
        Yes, sometimes or no; and whether it costs accuracy where nobody attacks.
    """
    won = sum(map(rises, attacked))
    said = "Yes" if won == len(attacked) else "Sometimes" if won else "No"
    return f"{said}{', at a price' if won and any(map(falls, clean)) else ''}."


def survives() -> Answer:
    """Whether anything of that is left against an attacker who knows the defence."""
    verdicts = claims.ledger("pepe", chapter="stress_tests").query("family == 'white-box'")["verdict"]
    left = gains()[AWARE]
    useful = told(verdict == REPRODUCED for verdict in verdicts)
    return Answer(
        "Does it survive an attacker who knows it?",
        word_for_what_is_left(verdicts),
        f"stress_tests/{best(left)}/strongest/gain/eps=0.1, of 100",
        f"right answers in 100 are left of the gain in the best of {COUNTS[len(left)]} cases. In {useful} is it enough "
        f"to beat an answer that never looks at the picture, {100 // len(data.CLASSES['MNIST'])} of 100",
        "The same cases and size of attack. With and without the defence, the network meets the attack that hurts it "
        "most.",
        "stress_tests",
        "Stress tests",
    )


def word_for_what_is_left(verdicts: Iterable[str]) -> str:
    """The answer to "does it survive?".

    Parameters
    ----------
    verdicts : iterable of str
        The ledger's, a case each: reproduced where a gain is left that beats a constant answer, partly where one is
        left that does not.

    Returns
    -------
    str
        Yes, sometimes or no.
    """
    useful = [verdict == REPRODUCED for verdict in verdicts]
    return "Yes." if all(useful) else "Sometimes." if any(useful) else "No."


def invisible() -> Answer:
    """Whether the second paper's attack is harder to see than an older one."""
    compared = farther()
    return Answer(
        "Can an attack be invisible?",
        word_for_distance(compared["PerC-AL"]),
        "table1/ours_a=0_minus_perc_al/LPIPS",
        "thousandths farther from the photograph, as computed, than PerC-AL, an older attack. "
        f"{told(map(rises, compared.values())).capitalize()} of {COUNTS[len(compared)]} older ones stay nearer",
        "No person was asked, in the paper or here. The new attack keeps LPIPS low, not the paper's PieAPP, and the "
        "paper does not print all settings of PerC-AL.",
        "table1",
        "Seven attacks compared",
    )


def word_for_distance(farther: Estimate) -> str:
    """The answer to "can it be invisible?", which nobody can give who asks no person.

    Parameters
    ----------
    farther : Estimate
        How much farther from the photograph the new attack is than the older one.

    Returns
    -------
    str
        Perhaps, and which of the two hides better.
    """
    if rises(farther):
        return "Perhaps; an older one hides better."
    return "Perhaps; the new one hides better." if falls(farther) else "Perhaps; the new one hides no better."


def fairness() -> Answer:
    """Whether training on such attacks makes a model fairer."""
    flatter, groups = claims.recorded("fairer")["slope/start_minus_ours"], thirds()
    depends = "follows wealth less, and falls" if rises(flatter) else "falls"
    shorter = early()
    return Answer(
        "Does training on such attacks make a model fairer?",
        word_for_fairness(flatter, groups, gentler=bool(shorter) and shorter["poorest"]["low"] > 0),
        "fairer/poor_accuracy/ours_minus_start, of 100",
        f"right answers in 100 for the poorest third of the countries. Accuracy {depends} in "
        f"{told(groups['high'] < 0)} thirds",
        "The start model is the network before that training; an arm is one way of training it. The world is made up, "
        "its wealth is not. Trained as long as in the paper"
        + (f"; {word_for_early(shorter)}." if shorter else ", at a step that it does not print."),
        "fairer",
        "Who gains",
    )


def word_for_early(shorter: dict) -> str:
    """What a shorter training gives the poorest third.

    Parameters
    ----------
    shorter : dict
        As `early` gives it, not empty.

    Returns
    -------
    str
        How short, whether the poorest third gains or loses, and by how many of 100.
    """
    gain, low, high = (100 * shorter["poorest"][end] for end in ("value", "low", "high"))
    length = f"{shorter['rounds']:.0f} round at {shorter['alpha'] / fairer.ALPHA:.2g} times the step"
    who = "the poorest gain" if low > 0 else "the poorest lose" if high < 0 else "no loss of the poorest is seen"
    return f"after {length}, picked afterwards, {who} ({gain:+.1f} [{low:+.1f}, {high:+.1f}])"


def word_for_fairness(flatter: Estimate, groups: pd.DataFrame, *, gentler: bool = False) -> str:
    """The answer to "does it make a model fairer?".

    Parameters
    ----------
    flatter : Estimate
        What training takes off the slope of accuracy on wealth.
    groups : pandas.DataFrame
        By how much accuracy changes in thirds of the countries, the poorest first: `low`, `high`.
    gentler : bool
        Whether the poorest third gains where the training is shorter.

    Returns
    -------
    str
        Whether the slope is flatter, and who gains.
    """
    gain = groups["low"] > 0
    who = "nobody gains" if not gain.any() else "the poor gain" if gain.iloc[0] else "the poor do not gain"
    if gentler and not gain.any():
        return f"{'Flatter' if rises(flatter) else 'Not clearly flatter'}; at the end {who}."
    if rises(flatter):
        return f"Flatter, {'and' if gain.iloc[0] else 'but'} {who}."
    return f"Not clearly flatter, and {who}."


def rises(e: Estimate) -> bool:
    """Whether all of an interval lies above zero."""
    return e.low > 0


def falls(e: Estimate) -> bool:
    """Whether all of an interval lies below zero."""
    return e.high < 0


def best(found: dict[str, Estimate]) -> str:
    """The case with the largest value."""
    return max(found, key=lambda case: found[case].value)


def told(which: Iterable[object]) -> str:
    """How many of several are true, in words."""
    found = [bool(one) for one in which]
    return f"{'all ' if all(found) else ''}{COUNTS[sum(found)]}"
