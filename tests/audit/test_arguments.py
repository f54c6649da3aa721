"""The command line of the audit."""

import argparse

import pytest

from fairlib import __main__, geography
from fairlib.audit import add_arguments
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
