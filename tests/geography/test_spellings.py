"""What spellings of a name share, and the kept lists against what is known of them."""

import pycountry
import pytest

from fairlib.geography import spellings


@pytest.mark.parametrize(
    "same",
    [
        ("Gambia, The", "The Gambia", "GAMBIA"), ("Rep. of Korea", "Korea, Republic of", "republic korea"),
        ("SouthAfrica", "South Africa", "south-africa"), ("Côte d’Ivoire", "cote d'ivoire", "Cote d`Ivoire"),
        ("St. Lucia", "Saint Lucia"), ("Bosnia & Herzegovina", "Bosnia and Herzegovina"),
    ],
)  # fmt: skip
def test_spellings_of_one_name_share_a_key(same):
    assert set.intersection(*map(spellings.keys, same))


def test_other_names_share_none():
    assert not spellings.keys("Niger") & spellings.keys("Nigeria")
    assert not spellings.keys("Guinea") & spellings.keys("Guinea-Bissau")
    assert spellings.keys("") == spellings.keys("...") == set()


def test_a_name_of_articles_alone_keeps_them():
    assert spellings.words("The Of") == ["the", "of"]


def test_codes_are_iso_s_and_kosovo_s():
    codes = spellings.alpha3()
    assert codes.pop("XK") == "XKX"
    assert codes == {country.alpha_2: country.alpha_3 for country in pycountry.countries}
    assert spellings.iso_codes()["NA"] == spellings.iso_codes()["NAM"] == "NAM"


def test_a_code_of_another_body_is_none_of_iso_s_list():
    codes = spellings.other_codes()
    assert codes["GER"]["IOC"] == {"DEU"}
    assert "NaN" not in codes and all(isinstance(code, str) for code in codes)


def test_former_countries_are_all_that_came_of_them():
    (key,) = spellings.keys("Serbia and Montenegro") & spellings.former_countries().keys() - {"serbiamontenegro"}
    assert spellings.former_countries()[key] == {"SRB", "MNE"}


def test_provinces_belong_to_their_countries():
    assert spellings.provinces()["california"] == {"USA"}
    assert spellings.provinces()["punjab"] == {"IND", "PAK"}
