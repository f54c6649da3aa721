"""Countries as people and other programs write them, read with kept lists, never by likeness."""

import difflib
import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from fairlib import checks
from fairlib.geography.countries import countries
from fairlib.geography.spellings import (
    english_names,
    english_spellings,
    former_countries,
    iso_codes,
    iso_names,
    iso_spellings,
    keys,
    other_codes,
    other_languages,
    provinces,
    spelled,
    words,
)

SUGGESTIONS = 3
ALIKE_WORDS = 0.8  # how alike two words must be to be taken for one, in a suggestion
ALIKE_NAMES = 0.5  # how much of two names must be the same
# What is written where a country is not known, without spaces and punctuation.
UNKNOWN = {
    "", "na", "nan", "nat", "nd", "nil", "none", "null", "missing", "other", "unk", "unknown", "undefined",
    "unspecified", "nodata", "notavailable", "notapplicable", "notknown", "notspecified",
}  # fmt: skip


def match(names: Iterable[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Find the countries that names and codes stand for.

    Parameters
    ----------
    names : iterable of str
        All those of one column: what other codes it uses decides what a code of several bodies means.

    Returns
    -------
    codes : dict
        ISO 3166-1 alpha-3 code of each name that is known, by the name as it is written.
    unmatched : dict
        For each other name the names of countries that it may have meant, best first, possibly none. `complaint` makes
        a sentence of it.

    Raises
    ------
    ValueError
        For a single name in place of several.

    Notes
    -----
    A name counts if `data/tables/gdp.csv`, Unicode's CLDR (English, or another of some forty languages) or ISO 3166 has
    it, up to case, accents, punctuation, articles and the order of its words.

    A code counts if it is written in capitals, and ISO 3166-1 has it, or else the IOC, FIFA, the European Union, the
    World Bank or an earlier edition.

    Nothing is guessed: "Korea" and "Congo" stay unmatched, since each may be either of two; so does BRN (ISO's Brunei,
    the IOC's Bahrain) in a column with other codes of the IOC, and NA, unless all the others are codes of two letters.

    Examples
    --------
    >>> match(["Côte d'Ivoire", "GER", "Korea"])
    ({"Côte d'Ivoire": 'CIV', 'GER': 'DEU'}, {'Korea': ['South Korea', 'North Korea']})
    """
    checks.several(names, "names")
    texts = {name: str(name) for name in dict.fromkeys(names)}
    reader = Reader(countries(), texts.values())
    others = [text for text in texts.values() if text.strip() != "NA"]
    two_letters = bool(others) and all(len(_code(text)) == 2 and reader.by_code(_code(text)) for text in others)
    codes, unmatched = {}, {}
    for name, text in texts.items():
        candidates = {"NAM"} if two_letters and text.strip() == "NA" else reader.read(text)
        if len(candidates) == 1 and (code := min(candidates)) in reader.called.index:
            codes[name] = code
        else:
            unmatched[name] = reader.near(text)
    return codes, unmatched


def complaint(name: str, near: list[str]) -> str:
    """Say why a name stands for no country, and what to write instead.

    Parameters
    ----------
    name : str
        A name that `match` left unmatched.
    near : list of str
        What it may have meant, as `match` gives it.

    Returns
    -------
    str
        One sentence, which begins with `unknown country`.
    """
    reader, text = Reader(countries()), str(name)
    candidates, capitals = reader.read(text), text.strip().upper()
    if _says_unknown(text) and near:
        advice = f"it is {near[0]}'s code, and what is written where nothing is known: write {near[0]} or leave it out"
    elif _says_unknown(text):
        advice = "it names none: write a name or an ISO 3166-1 code, or take the line out"
    elif len(candidates) > max(1, len(near)) and near:
        advice = f"it may be any of {len(candidates)} countries, such as {', '.join(near)}: write which one"
    elif len(candidates) > 1 and near:
        advice = f"it may be {' or '.join(near)}: write which one"
    elif candidates:
        advice = "it is none of those that data/tables/gdp.csv lists, so there is no GDP for it: take the line out"
    elif capitals != text.strip() and reader.by_code(capitals) and near:
        advice = f"a code counts in capitals only, since it may be a word: write {capitals} or {near[0]}"
    elif near:
        advice = f"did you mean {', '.join(near)}?"
    else:
        advice = "write its name in English or its ISO 3166-1 code"
    return f"unknown country {name!r}; {advice}"


class Reader:
    """Reads the names of one column by a table of countries and by the kept lists.

    Parameters
    ----------
    table : DataFrame
        The countries that there are: `name` and `aliases` (a list) by alpha-3 code.
    column : iterable of str
        All names of the column, which show whose codes besides ISO's it uses.

    Raises
    ------
    ValueError
        When two countries of the table share a name.
    """

    def __init__(self, table: pd.DataFrame, column: Iterable[str] = ()) -> None:
        self.called = table["name"]
        listed = [(name, code) for code, row in table.iterrows() for name in (row["name"], *row["aliases"])]
        self.own = spelled(listed)
        for key, codes in self.own.items():
            if len(codes) > 1:
                raise ValueError(f"{key!r} stands for {' and '.join(sorted(codes))} in data/tables/gdp.csv; keep one")
        self.english = [*listed, *english_names(), *iso_names()]
        others = {_code(text) for text in column if not self.by_name(text)} - set(iso_codes())
        self.bodies = {body for code in others for body in other_codes().get(code, ())}

    def by_code(self, code: str) -> set[str]:
        """The countries that a code stands for; ISO's meaning goes first, unless the column uses another body's."""
        others = other_codes().get(code, {})
        if code not in iso_codes():
            return set().union(*others.values())
        return {iso_codes()[code]}.union(*(others[body] for body in self.bodies & set(others)))

    def by_name(self, name: str) -> set[str]:
        """The countries that a name may stand for, by the first of the lists that has it."""
        for spellings in (lambda: self.own, english_spellings, iso_spellings, former_countries, other_languages):
            if codes := set().union(*(spellings().get(key, ()) for key in keys(name))):
                return codes
        return set()

    def read(self, name: str) -> set[str]:
        """The countries that a name or code may stand for. None for what says that nothing is known."""
        if _says_unknown(name):
            return set()
        return self.by_code(_code(name)) or self.by_name(name)

    def near(self, name: str) -> list[str]:
        """What somebody who wrote this may have meant, in the table's names, best first."""
        if candidates := self.read(name) or self.by_code(name.strip().upper()):
            return self._names(sorted(candidates))
        if _says_unknown(name):
            return []
        belongs_to = set().union(*(provinces().get(key, ()) for key in keys(name)))
        return self._names([*sorted(belongs_to), *self._alike(name)])

    def _names(self, codes: Iterable[str]) -> list[str]:
        """The table's names of the first few of these countries that it lists."""
        return list(dict.fromkeys(self.called[code] for code in codes if code in self.called.index))[:SUGGESTIONS]

    def _alike(self, name: str) -> list[str]:
        """Countries with a spelling in which the words that tell countries apart are those of the name, or nearly.

        A word weighs 1 over the number of countries that it names: "republic" says next to nothing.
        """
        weight, spellings = self._vocabulary
        alike: dict[str, float] = {}  # how much of each word of the lists the name has
        total = 0.0
        for written in words(name):
            ratios = {word: ratio for word in weight if (ratio := _ratio(word, written))}
            weighs = weight[max(ratios, key=ratios.__getitem__)] if ratios else 1.0  # a misspelt word tells as little
            total += weighs
            for word, ratio in ratios.items():
                alike[word] = max(alike.get(word, 0.0), ratio * min(weighs, weight[word]))
        scores: dict[str, float] = {}
        for spelling, code in spellings:
            same = sum(alike.get(word, 0.0) for word in spelling)
            score = 2 * same / (total + sum(weight[word] for word in spelling))
            scores[code] = max(score, scores.get(code, 0.0))
        close = (code for code, score in scores.items() if score >= ALIKE_NAMES)
        return sorted(close, key=lambda code: (-scores[code], code))

    @functools.cached_property
    def _vocabulary(self) -> tuple[dict[str, float], set[tuple[tuple[str, ...], str]]]:
        """The weight of each word of the English names, and these names as sorted words with their codes."""
        spellings = {(tuple(sorted(words(name))), code) for name, code in self.english}
        named = defaultdict(set)
        for spelling, code in spellings:
            for word in spelling:
                named[word].add(code)
        return {word: 1 / len(codes) for word, codes in named.items()}, spellings


def _code(name: str) -> str:
    """The code that a name may be, or "": two or three capitals, as in `U.K.`; in small letters they may be a word."""
    text = unicodedata.normalize("NFKC", name).strip().replace(".", "")
    return text if re.fullmatch("[A-Z]{2,3}", text) else ""


def _says_unknown(name: str) -> bool:
    """Whether this is what is written where nothing is known."""
    return re.sub(r"[\W_]+", "", name.casefold()) in UNKNOWN


def _ratio(a: str, b: str) -> float:
    """How alike two words are, from `ALIKE_WORDS` to 1; 0 where they are less so."""
    if a == b:
        return 1.0
    matcher = difflib.SequenceMatcher(None, a, b)
    ratio = matcher.real_quick_ratio() >= ALIKE_WORDS and matcher.quick_ratio() >= ALIKE_WORDS and matcher.ratio()
    return ratio if ratio >= ALIKE_WORDS else 0.0
