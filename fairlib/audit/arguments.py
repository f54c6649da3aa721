"""The command line of `python -m fairlib audit`, which is parsed before anything large is imported."""

import argparse
from pathlib import Path

from fairlib.audit.conditions import QUANTITIES

CONDITION_MET = 1  # exit status where a condition of --fail-if is met
GDP_SOURCES = ("natural-earth", "world-bank")  # those of fairlib.geography, which imports torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the audit.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the subcommand. Its results are what `fairlib.audit.command.run` takes.
    """
    parser.description = (
        "Classify the images that a CSV file lists, and test whether the model is less accurate on those of poor "
        "countries. An audit that was interrupted goes on when the same command is given again."
    )
    parser.epilog = (
        f"Exit status: 0 if the audit is done, {CONDITION_MET} if a condition of --fail-if holds and for nothing else, "
        "2 for bad input, 70 for a fault in the program, 130 if interrupted."
    )
    parser.add_argument(
        "manifest", type=Path,
        help="a CSV file with the columns path (relative to its folder), label (the class's index, counted "
        "from 0; several that are all right as 582|415) and country (a name or ISO code)",
    )  # fmt: skip
    parser.add_argument(
        "--model", required=True,
        help="efficientnet_lite0, another name from torchvision or timm, or module:function of your own, in a "
        "module that lies in the current folder or on PYTHONPATH; it takes no arguments and returns a torch.nn.Module "
        "from pixels in [0, 1], (N, 3, size, size), to (N, classes)",
    )  # fmt: skip
    parser.add_argument(
        "--out", required=True, type=Path,
        help="where to write: OUT.html and OUT.json, the report, and OUT.predictions.jsonl, from which it goes on; "
        "another OUT for each model",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=int, help="side of the images in pixels (default: what the weights ask for, or 224)"
    )
    parser.add_argument("--batch-size", type=int, default=32, help="images at a time (default: 32)")
    parser.add_argument("--gdp", choices=GDP_SOURCES, default=GDP_SOURCES[0], help="source of GDP per head")
    parser.add_argument("--year", type=int, default=2019, help="year of the World Bank's figures (default: 2019)")
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="CONDITION",
        help=f"status {CONDITION_MET} if it holds; of {', '.join(QUANTITIES)}; may be repeated. Best 'slope_low>0', "
        "which holds where rich countries lead beyond chance; slope>0.02 looks at the estimate alone. Quote it: to a "
        "shell > names a file to write",
    )  # fmt: skip
