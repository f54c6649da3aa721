"""The command line of the audit."""

import argparse

import pytest

from fairlib import __main__, geography
from fairlib.audit import add_arguments, arguments, islands, layouts
from fairlib.audit.arguments import GDP_SOURCES


def test_the_help_says_where_a_module_lies_and_how_to_give_a_condition(capsys):
    with pytest.raises(SystemExit):
        __main__.parser().parse_args(["audit", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for words in ("current folder or on PYTHONPATH", "Best 'established'", "Quote it: to a shell >"):
        assert words in said


def test_the_sources_of_gdp_are_those_that_there_are():
    assert GDP_SOURCES == geography.SOURCES


def test_another_source_of_gdp_is_refused(capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["x.csv", "--model", "x", "--out", "x", "--gdp", "hearsay"])
    assert "argument --gdp: invalid choice: 'hearsay'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1", "0.25", ".1", "1.0"])
def test_a_share_is_read(text):
    assert parsed("--skipped-limit", text).skipped_limit == float(text)


@pytest.mark.parametrize(
    ("option", "text", "complaint"),
    [("--skipped-limit", text, "is no share, expected 0 to 1") for text in ("5", "-1", "nan", "inf", "10%", "1.01", "")]
    + [("--gallery", text, "is no count, expected 0, 1, 2") for text in ("-1", "two", "1.5", "")],
)
def test_what_is_no_share_or_count_is_refused(option, text, complaint, capsys):
    with pytest.raises(SystemExit, match="2"):
        parsed(f"{option}={text}")
    assert complaint in capsys.readouterr().err


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["x.csv", "--model", "x", "--out", "x", *options])


def test_the_choices_are_those_of_the_modules():
    assert arguments.KINDS == layouts.KINDS and arguments.TRUTHS == islands.TRUTHS
