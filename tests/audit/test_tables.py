"""The files for other programs: JSON as its schema says, and CSV cells that no spreadsheet runs."""

import csv
import json
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from audited import expected, report_at, run
from jsonschema import Draft202012Validator

from fairlib.audit.tables import as_csv

SCHEMA = json.loads((files("fairlib.audit") / "schema.json").read_text())


def rows(kind: str) -> list[dict[str, str]]:
    with open(f"report.{kind}.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_report_is_as_the_schema_says(house):
    Draft202012Validator.check_schema(SCHEMA)
    run("--fail-if", "established", "--fail-if", "p<0.5", "--group", "country")
    report = report_at()
    Draft202012Validator(SCHEMA).validate(report)
    assert report["version"] == SCHEMA["properties"]["version"]["const"]
    assert not Draft202012Validator(SCHEMA).is_valid(report | {"slope": "steep"})
    assert not Draft202012Validator(SCHEMA).is_valid({key: report[key] for key in report if key != "verdict"})


def test_the_tables_are_those_of_the_images(house):
    run("--group", "country")
    images = rows("images")
    assert len(images) == 43 and sum(row["right"] == "True" for row in images) == 32
    counted = {row["country"]: (int(row["n"]), int(row["right"])) for row in rows("countries")}
    assert counted == {key: (n, right) for key, n, right in expected()[["n", "right"]].itertuples()}
    assert sum(int(row["n"]) for row in rows("classes")) == 43
    by = {row["by"] for row in rows("groups")}
    assert by == {"thirds of wealth", "country"}
    kept = [json.loads(line) for line in Path("report.predictions.jsonl").read_text().splitlines()[1:]]
    assert {row["path"]: row["top"] for row in images} == {
        line["path"]: ";".join(map(str, line["top"])) for line in kept
    }


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_no_cell_is_a_formula(cell):
    text = as_csv(pd.DataFrame({"path": [cell, "plain"], "n": [-1, 2]}))
    first, plain = list(csv.DictReader(text.splitlines()))
    assert first["path"] == f"'{cell}" and plain["path"] == "plain" and first["n"] == "-1"
