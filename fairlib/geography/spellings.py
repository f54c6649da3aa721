"""Kept lists of what countries are called: Unicode's CLDR (babel), ISO 3166 (pycountry), codes of other bodies.

A name counts up to case, accents, punctuation, articles and the order of its words: what its spellings share is a key
(`keys`), and a list is a mapping from keys to the ISO 3166-1 alpha-3 codes that they stand for. The lists are read when
they are first needed, and kept.
"""

import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from fairlib import files

Spellings = Mapping[str, set[str]]  # key -> alpha-3 codes

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


# --- Spelling. --------------------------------------------------------------------------------------------------------


def words(name: str) -> list[str]:
    """The words of a name without accents, case, punctuation, articles and habits of spelling, shortenings in full."""
    text = unicodedata.normalize("NFKC", name.translate(APOSTROPHES)).casefold().translate(LETTERS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    parts = re.findall(r"[^\W_]+", text.replace(".", "").replace("'", ""))
    if len(parts) > 1:
        parts = [SHORT.get(word, word) for word in parts if word not in SILENT] or parts
    return parts


def keys(name: str) -> set[str]:
    """What two spellings of one name share, whatever the order of their words and the spaces between them.

    So `Gambia, The` is `The Gambia`, `Rep. of Korea` is `Korea, Republic of`, and `SouthAfrica` is `South Africa`.
    """
    parts = words(name)
    return {" ".join(sorted(parts)), "".join(parts)} - {""}


def spelled(pairs: Iterable[tuple[str, str]]) -> Spellings:
    """A list from names with their alpha-3 codes."""
    spellings = defaultdict(set)
    for name, code in pairs:
        for key in keys(name):
            spellings[key].add(code)
    return dict(spellings)


# --- Names. -----------------------------------------------------------------------------------------------------------


def cldr(language: str) -> list[tuple[str, str]]:
    """What a language calls the countries, with their codes."""
    from babel import Locale

    called = Locale.parse(language).territories.items()
    return [(name, alpha3()[code]) for code, name in called if code in alpha3()]


@functools.cache
def english_names() -> list[tuple[str, str]]:
    """CLDR's names in English, with their codes."""
    return cldr("en")


@functools.cache
def iso_names() -> list[tuple[str, str]]:
    """The names of ISO 3166-1 and of its former entries that became one country, also without what follows a comma."""
    import pycountry

    pairs = [
        (getattr(country, kind), country.alpha_3)
        for country in pycountry.countries
        for kind in ("name", "official_name", "common_name")
        if hasattr(country, kind)
    ]
    # alpha_4: the old alpha-2 code and that of what the country became, where that is one.
    pairs += [(c.name, alpha3()[c.alpha_4[2:]]) for c in pycountry.historic_countries if c.alpha_4[2:] in alpha3()]
    return pairs + [(name.split(",")[0], code) for name, code in pairs if "," in name]


@functools.cache
def english_spellings() -> Spellings:
    """The list of `english_names`."""
    return spelled(english_names())


@functools.cache
def iso_spellings() -> Spellings:
    """The list of `iso_names`."""
    return spelled(iso_names())


@functools.cache
def former_countries() -> Spellings:
    """Former countries that several have come of, as far as CLDR says which."""
    import pycountry
    from babel.core import get_global

    became = get_global("territory_aliases")
    return spelled(
        (name, alpha3()[code])
        for country in pycountry.historic_countries
        if country.alpha_4[2:] not in alpha3()
        for name in {country.name, country.name.split(",")[0]}
        for code in became.get(country.alpha_3, ())
        if code in alpha3()
    )


@functools.cache
def other_languages() -> Spellings:
    """What some forty languages call the countries, as CLDR has it."""
    return spelled(pair for language in LANGUAGES for pair in cldr(language))


@functools.cache
def provinces() -> Spellings:
    """Provinces and the like, by the countries that they belong to (ISO 3166-2)."""
    import pycountry

    return spelled((part.name, alpha3()[part.country_code]) for part in pycountry.subdivisions)


# --- Codes. -----------------------------------------------------------------------------------------------------------


@functools.cache
def alpha3() -> dict[str, str]:
    """ISO 3166-1: alpha-2 -> alpha-3. Kosovo, without such a code, has the one that the World Bank and the EU use."""
    import pycountry

    return {country.alpha_2: country.alpha_3 for country in pycountry.countries} | {"XK": "XKX"}


@functools.cache
def iso_codes() -> dict[str, str]:
    """Codes of ISO 3166-1, of two letters or three -> alpha-3."""
    return alpha3() | {code: code for code in alpha3().values()}


@functools.cache
def other_codes() -> dict[str, dict[str, set[str]]]:
    """Codes that are not ISO's, or not any more: code -> body -> alpha-3 codes."""
    from babel.core import get_global

    # Only an empty cell is one without a value: NA is a code.
    table = pd.read_csv(files.checked("tables/country_codes.csv"), keep_default_na=False, na_values=[""])
    codes = defaultdict(lambda: defaultdict(set))
    for row in table.itertuples():
        codes[row.code][row.body].add(row.iso3)
    for code, became in get_global("territory_aliases").items():
        if code.isalpha() and code not in iso_codes():
            codes[code]["ISO 3166-3"] |= {alpha3()[c] for c in became if c in alpha3()}
    return {code: {body: iso3 for body, iso3 in bodies.items() if iso3} for code, bodies in codes.items()}
