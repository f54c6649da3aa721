"""How `pytest --nbval` runs a notebook here and compares it: on the CPU, patiently, numbers with a tolerance."""

import os
from functools import partial

from nbformat import NotebookNode
from nbval.plugin import IPyNbCell

from tools import outputs

PATIENCE = 60  # seconds that a finished cell's outputs may take to arrive: nbval's 5 are too few on a busy machine


def pytest_configure(config):
    if config.option.nbval:
        os.environ.setdefault("FAIRLIB_DEVICE", "cpu")  # for the kernels: an accelerator rounds otherwise


def pytest_itemcollected(item):
    if isinstance(item, IPyNbCell):
        item.output_timeout = PATIENCE
        item.compare_outputs = partial(compare, item)


def compare(item: IPyNbCell, computed: list[NotebookNode], stored: list[NotebookNode]) -> bool:
    """In place of nbval's comparison of strings: whether both show the same; the item keeps what tells them apart."""
    cells = [NotebookNode(source=item.cell.source, outputs=found) for found in (stored, computed)]
    item.comparison_traceback = outputs.differences(*cells)
    return not item.comparison_traceback
