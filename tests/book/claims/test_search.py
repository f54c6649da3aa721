"""The words that the search takes for the same: none is idle, and the longest is tried first."""

import re
from itertools import pairwise

from fairlib.book import claims


def texts() -> list[str]:
    fields = ((c.id, c.says, c.place, c.setting, c.chapter, c.parameters.get("reason")) for c in claims.load())
    return [" ".join(map(str, own)).replace("_", " ").lower() for own in fields]


def found(word: str, among: list[str]) -> set[int]:
    return {i for i, text in enumerate(among) if re.search(rf"(?<![a-z0-9]){re.escape(word)}", text)}


def test_every_word_finds_a_claim():
    among = texts()
    idle = {word for finds in claims.SAME.values() for word in finds if not found(word, among)}
    assert idle == set()


def test_each_is_asked_for_once_and_in_small_letters():
    asked = [word for words in claims.SAME for word in words]
    assert len(asked) == len(set(asked))
    assert all(word == word.lower() for words in claims.SAME.items() for part in words for word in part)


def test_a_phrase_comes_before_its_words():
    asked = [word for word, _ in claims.same()]
    assert sorted(asked) == sorted(word for words in claims.SAME for word in words)
    assert all(len(one) >= len(two) for one, two in pairwise(asked))
    assert dict(claims.same())["gdp"] == dict(claims.same())["poor countries"]


def test_newcomers_words_find_what_the_papers_call_otherwise():
    among = texts()
    wealth = set.union(*(found(word, among) for word in dict(claims.same())["gdp"]))
    assert found("slope", among) <= wealth and len(wealth) > 20
    assert found("epsilon", among) == set() and len(found("eps", among)) > 100
