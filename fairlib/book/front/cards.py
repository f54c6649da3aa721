"""The answers of the first page, in plain words.

A word that a number could turn is chosen by the number: the `word_for_...` take estimates, and their tests turn them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from fairlib import data
from fairlib.book import claims, headlines
from fairlib.book.claims import PARTLY, REPRODUCED, Estimate
from fairlib.book.experiments import fairer
from fairlib.book.front.numbers import (
    AWARE,
    NOBODY,
    PAIRS,
    UNAWARE,
    best,
    early,
    falls,
    farther,
    gains,
    of_100,
    rises,
    thirds,
)
from fairlib.book.wording import with_ends

SLOPE = "fairer/slope/start_minus_ours, points a doubling"
COUNTS = ("none", "one", "two", "three", "four")


@dataclass(frozen=True)
class Answer:
    """A card of the first page.

    `question`; `says`, the answer; `keys` of the headlines of which the number is one, or the smallest and the largest,
    and `counts`, what it counts; `small`, the conditions; `chapter`, the page that it comes from, and `link`, what the
    way there says.
    """

    question: str
    says: str
    keys: tuple[str, ...]
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
    number = f"**{shown(card.keys)}** {card.counts}. [{card.link}]({card.chapter}.ipynb)"
    return f"{number}\n\nRests on {headlines.estimate(card.keys[0]).basis}. {card.small}"


def shown(keys: Sequence[str]) -> str:
    """A headline, or the smallest and the largest of several, in spans that name them.

    Parameters
    ----------
    keys : sequence of str
        Of `headlines.load`, of one unit.

    Returns
    -------
    str
        As `+5 [+3, +7]`, or as `-32 [-37, -26] to +5 [+3, +7]`.
    """
    return headlines.span(keys[0]) if len(keys) == 1 else headlines.between(keys)


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
        of_100(UNAWARE),
        f"right answers in 100 under attack, by case: of {COUNTS[len(attacked)]}, {won} gain. With no attack "
        f"{shown(of_100(NOBODY))}: {lost} lose",
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
    keys, found = of_100(AWARE), gains()
    first, kept = best(found[UNAWARE]), best(found[AWARE])
    useful = told(verdict == REPRODUCED for verdict in verdicts)
    return Answer(
        "Does it survive an attacker who knows it?",
        word_for_what_is_left(verdicts),
        keys,
        f"of 100; the best case before {left(first)}"
        + (f", ({PAIRS[kept]}) most" if kept != first else "")
        + ". Ahead, where it gains, of answers that never look, "
        f"{100 // len(data.CLASSES['MNIST'])} of 100: in {useful}",
        "The same cases and size of attack. With and without the defence, the network meets the attack that hurts it "
        "most; on card 1 both meet the same.",
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
        Yes, sometimes, hardly or no.
    """
    found = list(verdicts)
    useful = [verdict == REPRODUCED for verdict in found]
    return "Yes." if all(useful) else "Sometimes." if any(useful) else "Hardly." if PARTLY in found else "No."


def left(case: str) -> str:
    """What of a case's gain is left against one who knows the defence."""
    return f"({PAIRS[case]}) keeps {headlines.span(of_100(AWARE)[list(PAIRS).index(case)])}"


def invisible() -> Answer:
    """Whether the second paper's attack is harder to see than an older one."""
    compared, moved = farther(), farther(image=True)
    price = claims.recorded("perceptual_attack")["lambda=1_minus_lambda=0/LPIPS"]
    return Answer(
        "Can an attack be invisible?",
        word_for_distance(compared["PerC-AL"]),
        ("table1/ours_a=0_minus_perc_al/LPIPS",),
        "thousandths of LPIPS farther than the older PerC-AL "
        f"(its own: {headlines.span('table1/perc_al/LPIPS')}). {word_for_starts(compared.values(), moved.values())}",
        "LPIPS is a distance that a network computes; no person was asked, in the paper or here. The new attack pays "
        f"for LPIPS, not PieAPP, {word_for_price(price)}; the paper does not print all settings of PerC-AL.",
        "table1",
        "Seven attacks",
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
        Perhaps, and which of the two moves the photograph less.
    """
    if rises(farther):
        return "Perhaps; an older one moves less."
    return "Perhaps; the new one moves less." if falls(farther) else "Perhaps; the new one moves no less."


def word_for_price(change: Estimate) -> str:
    """Whether what the new attack pays for its distance does anything.

    Parameters
    ----------
    change : Estimate
        What the price takes off the distance, in thousandths.

    Returns
    -------
    str
        At what price.
    """
    return f"at a price that changes {'nothing' if max(abs(change.low), abs(change.high)) < 2 else 'something'}"


def word_for_starts(compared: Iterable[Estimate], moved: Iterable[Estimate]) -> str:
    """How many older attacks stay nearer, and whether that hangs on where they start.

    Parameters
    ----------
    compared, moved : iterable of Estimate
        How much farther from the photograph the new attack is than each; those that start from noise, and the same
        where they start from the photograph.

    Returns
    -------
    str
        Both counts, or the one that they share.
    """
    compared, moved = list(compared), list(moved)
    few = min((e.n for e in moved if e.n), default=None)
    here, there = told(map(rises, compared)), told(map(rises, moved))
    said = f"Of {COUNTS[len(compared)]} older ones {here} {'stays' if here == COUNTS[1] else 'stay'} nearer"
    unsaved = f"by {few} unsaved images" if few else "by unsaved images"
    return said + (
        f"; {there}, {unsaved}, if all start at the photograph" if there != here else ", wherever they start"
    )


def fairness() -> Answer:
    """Whether training on such attacks makes a model fairer."""
    flatter, groups = claims.recorded("fairer")["slope/start_minus_ours"], thirds()
    shorter = early()
    return Answer(
        "Does training on such attacks make a model fairer?",
        word_for_fairness(flatter, groups, gentler=bool(shorter) and shorter["poorest"]["low"] > 0),
        ("fairer/poor_accuracy/ours_minus_start, of 100",),
        f"right answers in 100 for the poorest third of the countries. Accuracy falls in {told(groups['high'] < 0)} "
        f"thirds; a doubling of wealth adds {headlines.span(SLOPE)} less than before",
        "Arm: a way of training; start model: what it begins with. The world is made up, not its wealth. "
        "The paper's rounds, a step of ours" + (f"; {word_for_early(shorter)}." if shorter else "."),
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
        By how many of 100, and how short it is.
    """
    length = f"{shorter['rounds']:.0f} round at {shorter['alpha'] / fairer.ALPHA:.2g} of it"
    gain = with_ends(shorter["poorest"], 1, sign="+", times=100)
    return f"{gain} after {length}, picked out of {shorter['tried']}"


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


def told(which: Iterable[object]) -> str:
    """How many of several are true, in words."""
    found = [bool(one) for one in which]
    return f"{'all ' if all(found) else ''}{COUNTS[sum(found)]}"
