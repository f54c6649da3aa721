"""`--fail-if`: conditions on a report that make the command end with status 1."""

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

ESTABLISHED = "established"
OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def _raw(field: str, part: str = "slope") -> object:
    """What reads a field of a part of the report that need not be there."""
    return lambda report: (report[part] or {}).get(field)


def _primary(field: str) -> object:
    """What reads a field of the primary slope."""
    return lambda report: (report["verdict"][report["verdict"]["term"]] or {}).get(field)


QUANTITIES = {
    "within_slope": _primary("slope"),
    "within_low": _primary("low"),
    "within_high": _primary("high"),
    "within_p": _primary("p"),
    "slope": _raw("slope"),
    "slope_low": _raw("low"),
    "slope_high": _raw("high"),
    "p": _raw("p"),
    "gap": _raw("gap", "effect"),
    "accuracy": lambda report: report["accuracy"],
    "worst": lambda report: min(row["accuracy"] for row in report["countries"]),
    "skipped": lambda report: report["images"]["skipped"],
}
_CONDITION = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Condition:
    """The word `established`, or a comparison of one of a report's `QUANTITIES` with a number.

    Attributes
    ----------
    text : str
        As the user wrote it.
    quantity : str
        `established`, or a key of `QUANTITIES`.
    sign : str
        A key of `OPERATORS`; empty for `established`.
    bound : float
        The number that the quantity is compared with; 0 for `established`.
    """

    text: str
    quantity: str
    sign: str = ""
    bound: float = 0.0

    def value(self, report: Mapping) -> float | str | None:
        """What the quantity is in a report.

        Parameters
        ----------
        report : mapping
            What `REPORT.json` holds.

        Returns
        -------
        float, str, or None
            The verdict's outcome for `established`; None for a quantity that has no value.
        """
        if self.quantity == ESTABLISHED:
            return report["verdict"]["outcome"]
        return QUANTITIES[self.quantity](report)

    def met(self, report: Mapping) -> bool:
        """Whether it holds for a report.

        Parameters
        ----------
        report : mapping
            What `REPORT.json` holds.

        Returns
        -------
        bool
            A quantity that has no value meets no condition.
        """
        value = self.value(report)
        if self.quantity == ESTABLISHED:
            return value == ESTABLISHED
        return value is not None and OPERATORS[self.sign](value, self.bound)


def condition(text: str) -> Condition:
    """Read a condition such as `established` or `slope_low>0`. Nothing else is understood, let alone run.

    Parameters
    ----------
    text : str
        `established`; or a key of `QUANTITIES`, one of > >= < <=, and a number.

    Returns
    -------
    Condition

    Raises
    ------
    ValueError
        For any other text.
    """
    if text.strip() == ESTABLISHED:
        return Condition(ESTABLISHED, ESTABLISHED)
    match = _CONDITION.fullmatch(text)
    if not match:
        raise ValueError(
            f"{text!r} is no condition of --fail-if, expected 'established', or one like 'slope_low>0', in quotes"
        )
    quantity, sign, bound = match.groups()
    if quantity not in QUANTITIES:  # said here: `fairlib.checks` imports torch, and the help needs this module
        raise ValueError(f"the quantity of --fail-if is {quantity!r}, expected one of: {', '.join(QUANTITIES)}")
    return Condition(text.strip(), quantity, sign, float(bound))
