"""The helper package of the book: pure functions, one module per job (see CONTRIBUTING.md)."""

import logging

# Where matplotlib keeps its settings and that it lists the fonts anew is nobody's result: these are its warnings.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
