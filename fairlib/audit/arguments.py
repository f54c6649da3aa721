"""The command lines of `python -m fairlib audit`, which are parsed before anything large is imported."""

import argparse
import re
from pathlib import Path

from fairlib.audit.conditions import QUANTITIES

CONDITION_MET = 1  # exit status where a condition of --fail-if is met
NOTHING_TO_SAY = 3  # where there is too little for a verdict
GDP_SOURCES = ("natural-earth", "world-bank")  # those of fairlib.geography, which imports pandas
KINDS = ("dollarstreet", "geode")  # those of fairlib.audit.layouts
TRUTHS = ("light", "mix")  # those of fairlib.audit.islands
SKIPPED = 0.1  # share of images that may be left out
STATUSES = (
    f"Exit status: 0 if the audit is done, {CONDITION_MET} if a condition of --fail-if holds and for nothing else, 2 "
    f"for bad input, {NOTHING_TO_SAY} if there are too few images to say, no slope that could be 'established' though "
    "that is a condition, or too many images left out, 70 for a fault in the program, 130 if interrupted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the audit.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the subcommand. Its results are what `fairlib.audit.command.run` takes.
    """
    parser.description = (
        "Classify the images that a CSV file lists, and test whether the model is less accurate on those of poor "
        "countries: like with like, between images of one class. An audit that was interrupted goes on when the same "
        "command is given again. See also: audit sample, manifest, report and compare, each with --help."
    )
    parser.epilog = STATUSES
    _add_manifest(parser)
    parser.add_argument(
        "--model", required=True,
        help="efficientnet_lite0, another name from torchvision or timm, or module:function of your own, in a "
        "module that lies in the current folder or on PYTHONPATH; it takes no arguments and returns a torch.nn.Module "
        "from pixels in [0, 1], (N, 3, size, size), to (N, classes), logits or log-probabilities",
    )  # fmt: skip
    _add_out(parser)
    parser.add_argument(
        "--size", type=int, help="side of the images in pixels (default: what the weights ask for, or 224)"
    )
    parser.add_argument(
        "--batch-size", type=int,
        help="images at a time (default: 256 on CUDA, 8 elsewhere); halved whenever memory does not suffice",
    )  # fmt: skip
    parser.add_argument(
        "--mixed", action="store_true",
        help="compute in half precision where that is safe; 500 images are classified in full as well, and the report "
        "says how many answers differ",
    )  # fmt: skip
    parser.add_argument(
        "--shard", metavar="K/N",
        help="classify every N-th image only, from the K-th, for one of N processes or machines that share OUT; then "
        "'audit report' makes the report of all",
    )  # fmt: skip
    _add_report(parser)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the report of an audit whose images are classified.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the subcommand. Its results are what `fairlib.audit.command.run_report` takes.
    """
    parser.description = (
        "Make the report of an audit, or of all of its shards, from the answers that it kept. The model is not asked: "
        "a new question, such as another wealth or group, needs no new run."
    )
    parser.epilog = STATUSES
    _add_manifest(parser)
    _add_out(parser)
    _add_report(parser)


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the comparison of two audits.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the subcommand. Its results are what `fairlib.audit.comparison.run` takes.
    """
    parser.description = (
        "Compare two models that were audited on the same images, image by image: is B's slope another than A's, and "
        "what does it cost whom?"
    )
    parser.epilog = "Exit status: 0 if the comparison is done, 2 for bad input, 3 if too few images are in both."
    parser.add_argument("a", type=Path, metavar="A.json", help="the report of one model; A.images.csv lies beside it")
    parser.add_argument("b", type=Path, metavar="B.json", help="the report of the other")
    parser.add_argument("--out", type=Path, help="where to write OUT.json as well")


def add_manifest_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the manifest of a set that lies on a disk.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the subcommand. Its results are what `fairlib.audit.command.run_manifest` takes.
    """
    parser.description = "Write the manifest of Dollar Street or GeoDE, as they lie on a disk after the download."
    parser.epilog = "Exit status: 0 if the manifest is written, 2 for bad input."
    parser.add_argument("kind", choices=KINDS, help="the set")
    parser.add_argument("folder", type=Path, help="where its table of images lies")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="the manifest (default: manifest.csv in the folder)"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE.csv",
        help="which of the model's classes an object or topic is, in the place of the mapping that comes along: the "
        "columns object (or label, class, topic) and index",
    )  # fmt: skip


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of a small set to try the audit on.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the subcommand. Its results are what `fairlib.audit.command.run_sample` takes.
    """
    parser.description = (
        "Write 216 small images of nine islands that do not exist, their manifest and the islands' wealth, to try the "
        "audit on. The truth is known: light, the poorer an island the more of its photographs are taken at dusk; mix, "
        "poorer islands only show more of the objects that are photographed at dusk everywhere."
    )
    parser.epilog = "Exit status: 0 if the set is written, 2 for bad input."
    parser.add_argument("truth", choices=TRUTHS, help="what differs between the islands")
    parser.add_argument("folder", type=Path, help="where to; new or empty")


def _add_manifest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest", type=Path,
        help="a CSV file with the columns path (relative to its folder), label (the class's index, counted "
        "from 0; several that are all right as 582|415) and country (a name or ISO code); perhaps class (the object or "
        "topic in the photograph), cluster (a household, a photographer) and wealth (a household's income)",
    )  # fmt: skip


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, type=Path,
        help="where to write: OUT.html and OUT.json, the report; CSV files of countries, classes, groups and images; "
        "OUT.log, a line a minute; and OUT.predictions.jsonl, from which it goes on; another OUT for each model",
    )  # fmt: skip


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gdp", choices=GDP_SOURCES, default=GDP_SOURCES[0], help="source of GDP per head")
    parser.add_argument("--year", type=int, default=2019, help="year of the World Bank's figures (default: 2019)")
    parser.add_argument(
        "--wealth", type=Path, metavar="FILE.csv",
        help="wealth of your own in the place of GDP: the columns country (or region) and wealth",
    )  # fmt: skip
    parser.add_argument(
        "--labels", type=Path, metavar="FILE.csv",
        help="what your labels mean: the columns label (or object, class, topic) and index; without it a label is an "
        "index, a WordNet id or a name of one of ImageNet's classes",
    )  # fmt: skip
    parser.add_argument(
        "--group", action="append", default=[], metavar="COLUMN",
        help="compare the groups of another column of the manifest as well; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--gallery", type=_count, default=0, metavar="IMAGES",
        help="show so many wrong answers of each of the three worst countries on the page (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--skipped-limit", type=_share, default=SKIPPED, metavar="SHARE",
        help=f"status {NOTHING_TO_SAY} if more than this share of the images is left out (default: {SKIPPED})",
    )  # fmt: skip
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="CONDITION",
        help=f"status {CONDITION_MET} if it holds; may be repeated. Best 'established': accuracy changes with wealth "
        "between images of one class beyond chance, and the raw slope has the same sign. Or a comparison such as "
        f"'slope_low>0', of {', '.join(QUANTITIES)} (within_...: between images of one class; the others of slopes are "
        "raw). Quote it: to a shell > names a file to write",
    )  # fmt: skip


def _count(text: str) -> int:
    """A whole number of 0 or more."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no count, expected 0, 1, 2, ...")
    return int(text)


def _share(text: str) -> float:
    """A number from 0 to 1."""
    if not re.fullmatch(r"\d*\.?\d+|\d+\.", text, re.ASCII) or float(text) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share, expected 0 to 1, such as 0.1 for a tenth")
    return float(text)
