"""Countries as people and other programs write them, read with kept lists, never by likeness.

Names: Unicode's CLDR (babel) in many languages, ISO 3166 (pycountry) for official, common and former ones, and the
spellings of `data/tables/gdp.csv`, which also says what countries there are. Codes: ISO 3166-1, and those of other
bodies in `data/tables/country_codes.csv`.
"""

import difflib
import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from fairlib import checks, data

SUGGESTIONS = 3
LIKE = 0.8  # how alike two words must be to be taken for one, in a suggestion
NEAR = 0.5  # how much of two names must be the same
LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "es", "et", "fa", "fi", "fil", "fr", "he", "hi", "hr", "hu", "id",
    "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "sw", "ta", "te",
    "th", "tr", "uk", "ur", "vi", "zh", "zh_Hant",
)  # fmt: skip
LETTERS = str.maketrans({
    "ø": "o", "ł": "l", "ı": "i", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "&": " and ",
})  # fmt: skip
APOSTROPHES = str.maketrans(dict.fromkeys("'`´‘’‚‛ʹʻʼʽ′＇", "'"))
SILENT = {"the", "of", "and"}
SHORT = {
    "st": "saint", "is": "islands", "isl": "islands", "rep": "republic", "dem": "democratic", "fed": "federal",
    "federated": "federal", "sts": "states", "n": "north", "s": "south", "e": "east", "w": "west",
}  # fmt: skip
# What is written where a country is not known, without spaces and punctuation.
MARKS = {
    "", "na", "nan", "nat", "nd", "nil", "none", "null", "missing", "other", "unk", "unknown", "undefined",
    "unspecified", "nodata", "notavailable", "notapplicable", "notknown", "notspecified",
}  # fmt: skip
Spellings = Mapping[str, set[str]]  # key -> alpha-3 codes


def words(name: str) -> list[str]:
    """The words of a name without accents, case, punctuation, articles and habits of spelling, shortenings in full."""
    text = unicodedata.normalize("NFKC", name.translate(APOSTROPHES)).casefold().translate(LETTERS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    found = re.findall(r"[^\W_]+", text.replace(".", "").replace("'", ""))
    if len(found) > 1:
        found = [SHORT.get(word, word) for word in found if word not in SILENT] or found
    return found


def keys(name: str) -> set[str]:
    """What two spellings of one name share, whatever the order of their words and the spaces between them: `Gambia,
    The`, `Rep. of Korea` and `Korea, Republic of`, `SouthAfrica`."""
    found = words(name)
    return {" ".join(sorted(found)), "".join(found)} - {""}


def _code(name: str) -> str:
    """The code that a name may be, or "": two or three capitals, as in `U.K.`; in small letters they may be a word."""
    text = unicodedata.normalize("NFKC", name).strip().replace(".", "")
    return text if re.fullmatch("[A-Z]{2,3}", text) else ""


def _mark(name: str) -> bool:
    return re.sub(r"[\W_]+", "", name.casefold()) in MARKS


# --- The lists. -------------------------------------------------------------------------------------------------------


def _spelled(pairs: Iterable[tuple[str, str]]) -> Spellings:
    found = defaultdict(set)
    for name, code in pairs:
        for key in keys(name):
            found[key].add(code)
    return dict(found)


@functools.cache
def _alpha3() -> dict[str, str]:
    """ISO 3166-1: alpha-2 -> alpha-3. Kosovo, without such a code, has the one that the World Bank and the EU use."""
    import pycountry

    return {country.alpha_2: country.alpha_3 for country in pycountry.countries} | {"XK": "XKX"}


def _cldr(language: str) -> list[tuple[str, str]]:
    from babel import Locale

    return [(name, _alpha3()[code]) for code, name in Locale.parse(language).territories.items() if code in _alpha3()]


@functools.cache
def _english() -> list[tuple[str, str]]:
    return _cldr("en")


@functools.cache
def _iso_names() -> list[tuple[str, str]]:
    """The names of ISO 3166-1 and of its former entries that became one country, also without what follows a comma."""
    import pycountry

    pairs = [
        (getattr(country, kind), country.alpha_3)
        for country in pycountry.countries
        for kind in ("name", "official_name", "common_name")
        if hasattr(country, kind)
    ]
    # alpha_4: the old alpha-2 code and that of what the country became, where that is one.
    pairs += [(c.name, _alpha3()[c.alpha_4[2:]]) for c in pycountry.historic_countries if c.alpha_4[2:] in _alpha3()]
    return pairs + [(name.split(",")[0], code) for name, code in pairs if "," in name]


@functools.cache
def _former() -> Spellings:
    """Former countries that several have come of, as far as CLDR says which."""
    import pycountry
    from babel.core import get_global

    became = get_global("territory_aliases")
    return _spelled(
        (name, _alpha3()[code])
        for country in pycountry.historic_countries
        if country.alpha_4[2:] not in _alpha3()
        for name in {country.name, country.name.split(",")[0]}
        for code in became.get(country.alpha_3, ())
        if code in _alpha3()
    )


@functools.cache
def _english_spellings() -> Spellings:
    return _spelled(_english())


@functools.cache
def _iso_spellings() -> Spellings:
    return _spelled(_iso_names())


@functools.cache
def _other_languages() -> Spellings:
    return _spelled(pair for language in LANGUAGES for pair in _cldr(language))


@functools.cache
def _iso_codes() -> dict[str, str]:
    return _alpha3() | {code: code for code in _alpha3().values()}


@functools.cache
def _other_codes() -> dict[str, dict[str, set[str]]]:
    """Codes that are not ISO's, or not any more: code -> body -> alpha-3 codes."""
    from babel.core import get_global

    found = defaultdict(lambda: defaultdict(set))
    for row in data.table("country_codes").itertuples():
        found[row.code][row.body].add(row.iso3)
    for code, became in get_global("territory_aliases").items():
        if code.isalpha() and code not in _iso_codes():
            found[code]["ISO 3166-3"] |= {_alpha3()[c] for c in became if c in _alpha3()}
    return {code: {body: iso3 for body, iso3 in bodies.items() if iso3} for code, bodies in found.items()}


@functools.cache
def _parts() -> Spellings:
    """Provinces and the like: key -> the countries that they belong to."""
    import pycountry

    return _spelled((part.name, _alpha3()[part.country_code]) for part in pycountry.subdivisions)


# --- Reading. ---------------------------------------------------------------------------------------------------------


class Reader:
    """Reads names by what `table` lists (`name`, `aliases`, by alpha-3 code) and by the kept lists.

    `bodies`: those other than ISO whose codes the column is known to use.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.called = table["name"]
        listed = [(name, code) for code, row in table.iterrows() for name in (row["name"], *row["aliases"])]
        self.own = _spelled(listed)
        for key, codes in self.own.items():
            if len(codes) > 1:
                raise ValueError(f"{key!r} stands for {' and '.join(sorted(codes))} in data/tables/gdp.csv; keep one")
        self.english = [*listed, *_english(), *_iso_names()]
        self.bodies: set[str] = set()

    def by_code(self, code: str) -> set[str]:
        """The countries that a code stands for; ISO's meaning goes first, unless the column uses another body's."""
        others = _other_codes().get(code, {})
        if code not in _iso_codes():
            return set().union(*others.values())
        return {_iso_codes()[code]}.union(*(others[body] for body in self.bodies & set(others)))

    def by_name(self, name: str) -> set[str]:
        """The countries that a name may stand for, by the first of the lists that has it."""
        for spellings in (lambda: self.own, _english_spellings, _iso_spellings, _former, _other_languages):
            if found := set().union(*(spellings().get(key, ()) for key in keys(name))):
                return found
        return set()

    def read(self, name: str) -> set[str]:
        """The countries that a name or code may stand for. None for what says that nothing is known."""
        if _mark(name):
            return set()
        return self.by_code(_code(name)) or self.by_name(name)

    def near(self, name: str) -> list[str]:
        """What somebody who wrote this may have meant, in the table's names, best first."""
        if may_be := self.read(name) or self.by_code(name.strip().upper()):
            return self._names(sorted(may_be))
        if _mark(name):
            return []
        belongs = set().union(*(_parts().get(key, ()) for key in keys(name)))
        return self._names([*sorted(belongs), *self._alike(name)])

    def _names(self, codes: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(self.called[code] for code in codes if code in self.called.index))[:SUGGESTIONS]

    def _alike(self, name: str) -> list[str]:
        """Countries with a spelling in which the words that tell countries apart are those of the name, or nearly.

        A word weighs 1 over the number of countries that it names: "republic" says next to nothing.
        """
        weight, spellings = self._vocabulary
        alike: dict[str, float] = {}  # how much of each word of the lists the name has
        total = 0.0
        for given in words(name):
            like = {word: ratio for word in weight if (ratio := _ratio(word, given))}
            weighs = weight[max(like, key=like.__getitem__)] if like else 1.0  # a misspelt word tells as little
            total += weighs
            for word, ratio in like.items():
                alike[word] = max(alike.get(word, 0.0), ratio * min(weighs, weight[word]))
        scores: dict[str, float] = {}
        for spelling, code in spellings:
            same = sum(alike.get(word, 0.0) for word in spelling)
            score = 2 * same / (total + sum(weight[word] for word in spelling))
            scores[code] = max(score, scores.get(code, 0.0))
        return sorted((code for code, score in scores.items() if score >= NEAR), key=lambda code: (-scores[code], code))

    @functools.cached_property
    def _vocabulary(self) -> tuple[dict[str, float], set[tuple[tuple[str, ...], str]]]:
        spellings = {(tuple(sorted(words(name))), code) for name, code in self.english}
        countries = defaultdict(set)
        for spelling, code in spellings:
            for word in spelling:
                countries[word].add(code)
        return {word: 1 / len(codes) for word, codes in countries.items()}, spellings


def _ratio(a: str, b: str) -> float:
    if a == b:
        return 1.0
    matcher = difflib.SequenceMatcher(None, a, b)
    found = matcher.real_quick_ratio() >= LIKE and matcher.quick_ratio() >= LIKE and matcher.ratio()
    return found if found >= LIKE else 0.0


def match(names: Iterable[str], table: pd.DataFrame) -> tuple[dict[str, str], dict[str, list[str]]]:
    """See `fairlib.geography.match`; `table` is `fairlib.geography.countries()`."""
    checks.several(names, "names")
    reader = Reader(table)
    given = {name: str(name) for name in dict.fromkeys(names)}
    used = {_code(text) for text in given.values() if not reader.by_name(text)} - set(_iso_codes())
    reader.bodies = {body for code in used for body in _other_codes().get(code, ())}
    rest = [text for text in given.values() if text.strip() != "NA"]
    two_letters = bool(rest) and all(len(_code(text)) == 2 and reader.by_code(_code(text)) for text in rest)
    codes, unmatched = {}, {}
    for name, text in given.items():
        may_be = {"NAM"} if two_letters and text.strip() == "NA" else reader.read(text)
        if len(may_be) == 1 and (code := min(may_be)) in reader.called.index:
            codes[name] = code
        else:
            unmatched[name] = reader.near(text)
    return codes, unmatched


def complaint(name: str, near: list[str], table: pd.DataFrame) -> str:
    """See `fairlib.geography.complaint`."""
    reader, text, start = Reader(table), str(name), f"unknown country {name!r}; "
    may_be, code = reader.read(text), text.strip().upper()
    if _mark(text) and near:
        said = f"it is {near[0]}'s code, and what is written where nothing is known: write {near[0]} or leave it out"
    elif _mark(text):
        said = "it names none: write a name or an ISO 3166-1 code, or take the line out"
    elif len(may_be) > max(1, len(near)) and near:
        said = f"it may be any of {len(may_be)} countries, such as {', '.join(near)}: write which one"
    elif len(may_be) > 1 and near:
        said = f"it may be {' or '.join(near)}: write which one"
    elif may_be:
        said = "it is none of those that data/tables/gdp.csv lists, so there is no GDP for it: take the line out"
    elif code != text.strip() and reader.by_code(code) and near:
        said = f"a code counts in capitals only, since it may be a word: write {code} or {near[0]}"
    elif near:
        said = f"did you mean {', '.join(near)}?"
    else:
        said = "write its name in English or its ISO 3166-1 code"
    return start + said
