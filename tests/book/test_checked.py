"""How the records stand, on an experiment of three units."""

import json

import pytest

from fairlib.book import checked, runner, units


def test_records_are_counted(log):
    assert checked.records().set_index("experiment").loc["toy", ["recorded", "minutes", "fresh"]].tolist() == [0, 0, 0]
    runner.reproduce("embedded", jobs=1)
    toy = units.of("toy", "embedded")
    for i, unit in enumerate(toy):
        record = unit.record() | ({"source": "another"} if i < 2 else {})
        record["provenance"]["seconds"] = 30
        if i == 1:
            record["verified"] = {"date": "2026-01-01", "sample": [unit.name], "source": units.source("toy")}
        unit.write(record)
    row = checked.records().set_index("experiment").loc["toy"]
    assert row["minutes"] == pytest.approx(len(toy) / 2) and row["units"] >= len(toy)
    assert row[["recorded", "again", "fresh"]].tolist() == [len(toy), 1, len(toy) - 1]


def test_a_damaged_record_is_said(log):
    runner.reproduce("embedded", jobs=1)
    units.of("toy", "embedded")[0].path.write_text(json.dumps({"arguments": {}}))
    with pytest.raises(ValueError, match="not a whole record"):
        checked.records()
