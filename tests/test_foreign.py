"""JSON from elsewhere."""

import json

import pytest

from fairlib.foreign import parsed


def test_what_json_says():
    said = {"a": [1, 2.5, None, True, "x"], "b": {}}
    assert parsed(json.dumps(said)) == said


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "9" * 5_000, "[1] 2"])
def test_what_is_none_is_a_value_error(text):
    with pytest.raises(ValueError):
        parsed(text)
