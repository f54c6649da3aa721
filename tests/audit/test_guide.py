"""The page "Audit your own model" knows the command as it is. What its commands print, nbval compares."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from fairlib import __main__, audit
from fairlib.audit.conditions import QUANTITIES, condition

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "notebooks" / "audit.md").read_text(encoding="utf-8")
LIMITS = (ROOT / "book" / "audit_limits.md").read_text(encoding="utf-8")


def commands(text: str) -> list[list[str]]:
    """The words of every command of ours in the page's cells, without what a shell does after it."""
    lines = re.findall(r"^python -m fairlib (.*)$", text, re.MULTILINE)
    return [shlex.split(line.partition(";")[0]) for line in lines]


def unexplained(text: str) -> list[str]:
    """The options of the audit's commands that a page does not name."""
    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
    audit.add_arguments(parser)
    for add in (audit.add_report_arguments, audit.add_compare_arguments, audit.add_manifest_arguments):
        add(parser)
    options = [option for action in parser._actions for option in action.option_strings]
    return [option for option in options if not re.search(rf"{option}(?![\w-])", text)]


def test_every_option_is_explained():
    assert unexplained(PAGE) == []
    assert unexplained(PAGE.replace("--mixed", "").replace("--gallery", "--gallery-of")) == ["--mixed", "--gallery"]


def test_every_command_of_the_page_is_one():
    found = commands(PAGE)
    assert {words[1] for words in found} >= {"sample", "report", "manifest", "compare", "islands/manifest.csv"}
    for words in found:
        arguments = __main__.parser().parse_args(__main__.verb(words))
        for text in getattr(arguments, "fail_if", []):
            condition(text)
    with pytest.raises(SystemExit):
        __main__.parser().parse_args(__main__.verb(commands("python -m fairlib audit x.csv --model y; echo")[0]))


def test_every_status_and_condition_is_explained():
    statuses = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    said = " ".join(re.findall(r"\d+", audit.arguments.STATUSES))
    assert sorted(statuses, key=int) == sorted(set(said.split()), key=int) == ["0", "1", "2", "3", "70", "130"]
    assert [name for name in QUANTITIES if f"`{name}`" not in PAGE] == []


def test_every_file_of_a_report_is_named(house):
    from audited import run

    assert run() == 0
    written = {path.name for path in house.glob("report*")}
    assert written == {name for name in re.findall(r"`(report\.[\w.]+)`", PAGE) if "prediction" not in name} | {
        "report.predictions.jsonl"
    }


def test_the_first_screen_of_the_readme_and_the_pages_lead_to_each_other():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "fairlib audit" in "\n".join(readme.splitlines()[:30])
    assert "/book/audit_limits" in PAGE and "/book/api/audit" in PAGE and "/notebooks/audit" in LIMITS


def test_each_limit_says_what_the_report_shows_and_what_one_can_do():
    parts = LIMITS.split("\n## ")[1:]
    assert len(parts) == 7
    for part in parts:
        assert part.count("\nWhat the report shows\n: ") == part.count("\nWhat you can do\n: ") == 1
