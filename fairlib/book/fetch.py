"""The command `fetch`: the second paper's own weights, which no package carries, and what can be run with them."""

import argparse

from fairlib import weights

FILES = {"PieAPP": "PieAPPv0.1-0937b014.pth", "ResNet-50": "resnet50-0676ba61.pth"}
NEXT = "PROFILE=paper ONLY=paper_weights/"


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Fetch what is not there, and compare all of it with the SHA-256 in its published name.

    Parameters
    ----------
    arguments : argparse.Namespace
        None are looked at.

    Returns
    -------
    str
        Where each file lies, and the command that fills the ledger's rows that wait for them.
    int
        0.

    Raises
    ------
    ValueError
        Where a truncated or altered file lies in a place.
    FileNotFoundError
        Without a network, with where to get each file and where to put it.
    """
    found = {what: weights.fetch(name) for what, name in FILES.items()}
    lines = [f"{what}: {path}, the SHA-256 as published" for what, path in found.items()]
    return "\n".join([*lines, f"Next, with FAIRLIB_IMAGES as README.md says: make reproduce {NEXT}"]), 0
