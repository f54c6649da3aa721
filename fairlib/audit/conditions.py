"""`--fail-if`: conditions on a report that make the command end with status 1."""

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
QUANTITIES = {
    "slope": lambda report: report["slope"]["slope"],
    "slope_low": lambda report: report["slope"]["low"],
    "slope_high": lambda report: report["slope"]["high"],
    "p": lambda report: report["slope"]["p"],
    "gap": lambda report: report["effect"]["gap"],
    "accuracy": lambda report: report["accuracy"],
    "worst": lambda report: min(row["accuracy"] for row in report["countries"]),
    "skipped": lambda report: report["images"]["skipped"],
}
_CONDITION = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Condition:
    """A comparison of one of a report's `QUANTITIES` with a number.

    Attributes
    ----------
    text : str
        As the user wrote it.
    quantity : str
        A key of `QUANTITIES`.
    sign : str
        A key of `OPERATORS`.
    bound : float
        The number that the quantity is compared with.
    """

    text: str
    quantity: str
    sign: str
    bound: float

    def value(self, report: Mapping) -> float | None:
        """What the quantity is in a report.

        Parameters
        ----------
        report : mapping
            What `analyse` gives.

        Returns
        -------
        float or None
            None where it has no value.
        """
        return QUANTITIES[self.quantity](report)

    def met(self, report: Mapping) -> bool:
        """Whether it holds for a report.

        Parameters
        ----------
        report : mapping
            What `analyse` gives.

        Returns
        -------
        bool
            A quantity that has no value meets no condition.
        """
        value = self.value(report)
        return value is not None and OPERATORS[self.sign](value, self.bound)


def condition(text: str) -> Condition:
    """Read a condition such as `slope_low>0`. Nothing else is understood, let alone run.

    Parameters
    ----------
    text : str
        A key of `QUANTITIES`, one of > >= < <=, and a number.

    Returns
    -------
    Condition

    Raises
    ------
    ValueError
        For any other text.
    """
    match = _CONDITION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no condition, expected one like 'slope_low>0', in quotes")
    quantity, sign, bound = match.groups()
    if quantity not in QUANTITIES:  # said here: `fairlib.checks` imports torch, and the help needs this module
        raise ValueError(f"quantity is {quantity!r}, expected one of: {', '.join(QUANTITIES)}")
    return Condition(text.strip(), quantity, sign, float(bound))
