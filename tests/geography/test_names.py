"""Names and codes of countries against CLDR, ISO 3166, another converter, and what users and other bodies write."""

import subprocess
import sys
import unicodedata
from importlib import resources
from pathlib import Path

import babel
import pandas as pd
import pycountry
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairlib import data, geography
from fairlib.geography.names import SUGGESTIONS, Reader
from fairlib.geography.spellings import LANGUAGES, keys

ROOT = Path(__file__).resolve().parents[2]
TABLE = geography.countries()
COCO = pd.read_csv(
    resources.files("country_converter") / "country_data.tsv", sep="\t", keep_default_na=False, na_values=[""]
)
CODES = data.table("country_codes")


def wrong(expected: dict[str, str | None]) -> dict[str, str | None]:
    """Those of a column of names that are not read as expected, with what they are read as."""
    codes, unmatched = geography.match(expected)
    assert set(codes) | set(unmatched) == set(expected)
    return {name: codes.get(name) for name, code in expected.items() if codes.get(name) != code}


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        ("GBR", "UK|U.K.|uk|GB|Great Britain|United Kingdom of Great Britain and Northern Ireland|England|Scotland"),
        ("USA", "US|U.S.|U.S.A.|usa|USA|United States (the)|the United States|united_states_of_america|ＵＳＡ"),
        ("KOR", "Korea, Rep.|Republic of Korea|South Korea|S. Korea|Korea, South|Korea (the Republic of)|SouthKorea"),
        ("PRK", "Korea, Dem. People's Rep.|Korea, Dem. People’s Rep.|North Korea|DPRK"),
        ("VNM", "Viet Nam|Vietnam|VIETNAM|VIE"),
        ("CIV", "Côte d'Ivoire|COTE D’IVOIRE|Cote d´Ivoire|Cote d`Ivoire|Cote dIvoire|Cote d Ivoire|Ivory Coast"),
        ("GMB", "Gambia, The|The Gambia|Gambia (the)|Gambia|Republic of The Gambia"),
        ("MMR", "Burma|Myanmar|Myanmar (Burma)"), ("SWZ", "Swaziland|Eswatini"),
        ("CZE", "Czech Republic|Czech Rep.|Czechia"), ("TUR", "Turkiye|Türkiye|TÜRKİYE|Turkey|Republic of Türkiye"),
        ("MKD", "Macedonia|North Macedonia|The former Yugoslav Republic of Macedonia"),
        ("CPV", "Cape Verde|Cabo Verde"),
        ("TLS", "East Timor|Timor-Leste|Timor Leste|TMP"), ("NLD", "Holland|The Netherlands|NED|Niederlande"),
        ("COD", "DR Congo|Congo-Kinshasa|Congo (Kinshasa)|Zaire|Congo, Dem. Rep.|DRC|ZAR|D.R. Congo"),
        ("COG", "Congo, Rep.|Republic of Congo|Congo-Brazzaville|Congo - Brazzaville"),
        ("EGY", "Egypt, Arab Rep.|Ägypten|Egypte|مصر"), ("ZAF", "South_Africa|SouthAfrica|RSA|south africa"),
        ("DEU", "GER|Deutschland|Allemagne|Alemania|Germania|ドイツ|German Democratic Republic"),
        ("GRC", "EL|Ελλάδα|GRE"),
        ("ESP", "España|Espana|Espagne"), ("CHE", "SUI|Schweiz|Suisse"), ("RUS", "Россия|Russian Federation"),
        ("CHN", "中国|People's Republic of China|PRC"), ("JPN", "日本|Japon|Japan"), ("IND", "भारत|India"),
        ("IRN", "Iran, Islamic Rep.|Iran (Islamic Republic of)|IRI"), ("VEN", "Venezuela, RB|VEN"),
        ("YEM", "Yemen, Rep.|Yemen"), ("LAO", "Lao PDR|Laos"), ("FSM", "Micronesia, Fed. Sts."), ("CHL", "CHI"),
        ("HKG", "Hong Kong SAR, China|Hong Kong, China"), ("KGZ", "Kyrgyz Republic"), ("SVK", "Slovak Republic"),
        ("LCA", "St. Lucia|Saint Lucia|St Lucia"), ("VCT", "St. Vincent and the Grenadines"), ("BFA", "Upper Volta"),
        ("BIH", "Bosnia & Herzegovina|Bosnia Herzegovina"), ("TTO", "Trinidad Tobago|Trinidad and Tobago"),
        ("PSE", "West Bank and Gaza|State of Palestine|Palestine, State of"), ("ROU", "ROM"), ("BHR", "BH|BHR"),
        ("BRN", "BRN|Brunei Darussalam"), ("IRL", "Republic of Ireland|IE"), ("STP", "São Tomé and Príncipe|ST"),
        ("GIN", "Guinea"), ("NER", "Niger"), ("DMA", "Dominica"), ("GEO", "Georgia"), ("NOR", "NO|Norge"),
        ("ISL", "IS|ISL"), ("NAM", "NAM|Namibia|namibia"), ("XKX", "XK|KOS|Kosovo"), ("ARE", "UAE|U.A.E.|uae"),
    ],
)  # fmt: skip
def test_what_people_and_programs_write(code, spellings):
    assert not wrong(dict.fromkeys(spellings.split("|"), code))


def test_a_spelling_that_no_list_has_is_not_taken():
    assert not wrong(dict.fromkeys(["Venezuela, R.B. de", "Kenia Republic", "Gremany", "Federal Union of Peru"]))


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "pt", "ru", "zh", "ar", "ja", "sw"])
def test_names_agree_with_cldr(language):
    """Each of CLDR's names is read as its country; where two countries have one name, as none or as English has it."""
    called = babel.Locale(language).territories
    found = wrong({called[iso2]: code for code, iso2 in TABLE["iso2"].items()})
    assert found in ({}, {"Congo": None})


def test_official_and_common_names_are_iso_s():
    expected = {
        getattr(country, kind, country.name): country.alpha_3
        for country in pycountry.countries
        if country.alpha_3 in TABLE.index
        for kind in ("name", "official_name", "common_name")
    }
    assert len(expected) > 350
    assert wrong(expected) == {"Congo": None}


def test_another_converter_agrees():
    """What it calls the countries, short and official, is read as the same country or not at all."""
    rows = COCO[COCO["ISO3"].isin(TABLE.index)]
    for kind, least in (("name_short", 0.98), ("name_official", 0.9)):
        found = wrong(dict(zip(rows[kind], rows["ISO3"], strict=True)))
        assert set(found.values()) <= {None}
        assert len(found) < (1 - least) * len(rows)


@pytest.mark.parametrize("body", ["IOC", "FIFA"])
def test_the_codes_of_other_bodies_are_those_of_another_converter(body):
    rows = CODES[CODES["body"] == body].set_index("code")["iso3"]
    theirs = COCO.dropna(subset=[body]).set_index(body)["ISO3"]
    theirs = theirs[theirs.index != theirs].drop("EDQ", errors="ignore")  # FIFA writes EQG
    assert rows[theirs.index].to_dict() == theirs.to_dict()
    former = {"LIB", "SIN", "TRI", "EQG", "NIR", "SCO", "WAL"}
    assert set(rows.index) - set(theirs.index) <= former


def test_codes_of_other_bodies_are_read_where_iso_has_none():
    asked = CODES[~CODES["code"].isin(["ANT", "BRN", "BUR"])]  # ISO's Netherlands Antilles, Brunei, Burma
    assert not wrong({row.code: row.iso3 if row.iso3 in TABLE.index else None for row in asked.itertuples()})
    assert not CODES.duplicated(["body", "code"]).any()
    assert set(CODES["iso3"]) <= {c.alpha_3 for c in pycountry.countries} | {"XKX"}


def test_a_code_of_two_bodies_is_iso_s_unless_the_column_is_the_others():
    assert geography.match(["DEU", "BRN"]) == ({"DEU": "DEU", "BRN": "BRN"}, {})
    assert geography.match(["Germany", "UAE", "BRN"])[0]["BRN"] == "BRN"  # UAE is a name too
    codes, unmatched = geography.match(["GER", "BRN"])
    assert (codes, unmatched) == ({"GER": "DEU"}, {"BRN": ["Bahrain", "Brunei"]})
    assert geography.complaint("BUR", geography.match(["BUR"])[1]["BUR"]) == (
        "unknown country 'BUR'; it may be Burkina Faso or Myanmar: write which one"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Korea", ["South Korea", "North Korea"]),
        ("Congo", ["Democratic Republic of the Congo", "Republic of the Congo"]),
        ("Kongo", ["Democratic Republic of the Congo", "Republic of the Congo"]),
        ("Serbia and Montenegro", ["Montenegro", "Serbia"]),
    ],
)
def test_a_name_of_two_countries_is_not_guessed(name, near):
    assert geography.match([name]) == ({}, {name: near})
    assert geography.complaint(name, near) == (
        f"unknown country {name!r}; it may be {' or '.join(near)}: write which one"
    )


def test_a_former_country_of_many_is_none_of_them():
    _, unmatched = geography.match(["USSR"])
    assert geography.complaint("USSR", unmatched["USSR"]).startswith(
        "unknown country 'USSR'; it may be any of 15 countries, such as Armenia"
    )


@pytest.mark.parametrize(
    "name", ["no", "No", "is", "me", "Me", "in", "us", "it", "to", "be", "at", "can", "per", "and"]
)
def test_a_word_is_no_code(name):
    codes, unmatched = geography.match([name, "Peru"])
    country = pycountry.countries.get(**{f"alpha_{len(name)}": name.upper()})
    called = TABLE["name"][country.alpha_3]
    assert codes == {"Peru": "PER"} and unmatched == {name: [called]}
    assert geography.complaint(name, unmatched[name]) == (
        f"unknown country {name!r}; a code counts in capitals only, since it may be a word: write {name.upper()} or "
        f"{called}"
    )


@pytest.mark.parametrize(
    "name",
    ["", " ", "-", "--", "?", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "None", "none", "NULL", "nil", "Unknown",
     "unk", "not available", "Not known", "missing", "other", None, float("nan"), pd.NA, pd.NaT],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], ["DE", "FR"], ["Peru"]])
def test_what_says_that_nothing_is_known_is_no_country(name, others):
    codes, unmatched = geography.match([*others, name])
    assert set(codes) == set(others)
    assert list(unmatched.values()) == [[]]
    assert geography.complaint(name, []).endswith(
        "; it names none: write a name or an ISO 3166-1 code, or take the line out"
    )


@pytest.mark.parametrize(
    "others", [[], ["Peru"], ["DEU", "FRA"], ["DE", "Peru"], ["DE", ""], ["DE", "N/A"], ["DE", "de"]]
)
@pytest.mark.parametrize("name", ["NA", " NA "])
def test_na_is_namibia_among_codes_of_two_letters_only(name, others):
    codes, unmatched = geography.match([name, *others])
    assert name not in codes
    assert unmatched[name] == ["Namibia"]
    assert geography.complaint(name, ["Namibia"]) == (
        f"unknown country {name!r}; it is Namibia's code, and what is written where nothing is known: write Namibia or "
        "leave it out"
    )
    assert geography.match([name, "DE", "UK"])[0] == {name: "NAM", "DE": "DEU", "UK": "GBR"}


@pytest.mark.parametrize("name", ["na", "Na", "N.A."])
def test_na_otherwise_written_is_never_namibia(name):
    assert name not in geography.match([name, "DE", "FR"])[0]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Untied States", ["United States"]), ("Germny", ["Germany"]), ("Brazl", ["Brazil"]),
        ("Phillipines", ["Philippines"]), ("Untied Kingdom", ["United Kingdom"]), ("California", ["United States"]),
        ("Punjab", ["India", "Pakistan"]), ("Paris, France", ["France"]), ("Great Brittain", ["United Kingdom"]),
        ("Republic of Keniya", ["Kenya"]), ("Kingdom of Swedn", ["Sweden"]), ("Texas, USA", ["United States"]),
        ("Republic of China", ["China"]), ("Corea", ["South Korea", "North Korea"]), ("deu", ["Germany"]),
        ("Republic of X", []), ("Republic", []), ("The Democratic Republic of Atlantis", []), ("Atlantis", []),
        ("Islands", []), ("xx", []), ("Kingdom of Gondor", []), ("Europe", []),
    ],
)  # fmt: skip
def test_suggestions_are_near_in_meaning(name, near):
    codes, unmatched = geography.match([name])
    assert codes == {}
    assert unmatched[name] == near
    said = geography.complaint(name, near)
    assert said.startswith(f"unknown country {name!r}; ") and all(country in said for country in near)


def test_a_territory_without_gdp_is_told_so():
    for name in ("Guadeloupe", "Åland Islands", "Virgin Islands", "GLP"):
        codes, unmatched = geography.match([name])
        assert (codes, unmatched) == ({}, {name: []})
        assert "no GDP for it: take the line out" in geography.complaint(name, [])


def test_a_single_name_is_no_column():
    for one in ("Peru", b"Peru", None, 3):
        with pytest.raises(ValueError, match=r"^names is .*, expected several; put a single one into a list"):
            geography.match(one)


def test_the_lists_are_read_when_they_are_needed():
    program = "import sys, fairlib.geography; print([m for m in ('babel', 'pycountry') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(TABLE["name"])), st.data())
def test_one_wrong_letter_never_gives_a_country_that_no_list_calls_so(name, choices):
    at = choices.draw(st.integers(0, len(name) - 1))
    other = name[:at] + choices.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz")) + name[at + 1 :]
    assume(len(name) > 4)
    codes, unmatched = geography.match([other])
    if other in codes:  # another country's own name (Niger, Nigeria ...), or this one's in another language
        iso2 = TABLE["iso2"][codes[other]]
        every = [babel.Locale.parse(language).territories[iso2] for language in ("en", *LANGUAGES)]
        every += [TABLE["name"][codes[other]], *TABLE["aliases"][codes[other]]]
        every += pycountry.countries.get(alpha_2=iso2)._fields.values() if iso2 != "XK" else []
        assert keys(other) & set().union(*(keys(spelling) for spelling in every))
    else:
        assert len(unmatched[other]) <= SUGGESTIONS


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(TABLE["name"])), st.sampled_from([str.upper, str.lower, str.title]))
def test_case_accents_and_dots_do_not_matter(name, case):
    bare = "".join(c for c in unicodedata.normalize("NFKD", case(name)) if not unicodedata.combining(c))
    found, _ = geography.match([name, f" {bare}. ", bare.replace(" ", "_"), bare.replace(" ", "\u00a0")])
    assert set(found.values()) == {TABLE.index[TABLE["name"] == name].item()}
    assert len(found) >= 2


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_a_country_or_unmatched_with_a_sentence(text):
    codes, unmatched = geography.match([text])
    assert len(codes) + len(unmatched) == 1
    assert set(codes.values()) <= set(TABLE.index)
    for name, near in unmatched.items():
        assert geography.complaint(name, near).startswith(f"unknown country {name!r}; ")


def test_a_name_twice_in_the_table_is_refused():
    table = TABLE.assign(aliases=[["Peru"] if code == "CHL" else found for code, found in TABLE["aliases"].items()])
    with pytest.raises(ValueError, match=r"'peru' stands for CHL and PER in data/tables/gdp\.csv; keep one"):
        Reader(table)
