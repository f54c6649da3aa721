"""The units of `fairlib.book.experiments`: what they are called, where their records lie, and whether these are fresh.

Each unit becomes one record, `data/results/<chapter>/<unit>.json`. A record is stale when something that its numbers
come from has changed since (see `fairlib.digest`, which gives the record's `source`), and `fairlib.book.verify` has not
found that this moves no number (it notes the digest that it saw under `verified`).
"""

import importlib
import json
import pkgutil
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

from fairlib import checks, digest, files, runtime

EXPERIMENTS = "fairlib.book.experiments"
FIELDS = {"arguments", "source", "provenance", "result"}
VERIFIED = {"date", "sample", "source"}


@dataclass(frozen=True)
class Unit:
    """One call of a chapter's `run`, with JSON values as arguments."""

    chapter: str
    arguments: dict

    @property
    def name(self) -> str:
        """`chapter/key=value,...`, for people and for the record's path."""
        values = {key: re.sub(r"[^a-zA-Z0-9.-]+", "_", str(value)).strip("_") for key, value in self.arguments.items()}
        return f"{self.chapter}/{','.join(f'{key}={value}' for key, value in values.items())}"

    @property
    def path(self) -> Path:
        """Where the unit's record lies, or will."""
        return files.root() / "results" / f"{self.name}.json"

    def record(self) -> dict | None:
        """What the unit found, or None where it has no record yet. Raises ValueError for a damaged one."""
        if not self.path.is_file():
            return None
        try:
            record = json.loads(self.path.read_text())
            if missing := FIELDS - record.keys():
                raise ValueError(f"{', '.join(sorted(missing))} missing")
            if record["arguments"] != self.arguments:
                raise ValueError(f"it has the arguments {record['arguments']}, expected {self.arguments}")
            if "verified" in record and (missing := VERIFIED - record["verified"].keys()):
                raise ValueError(f"{', '.join(sorted(missing))} of verified missing")
        except (ValueError, AttributeError) as error:
            raise ValueError(
                f"{self.path} is not a whole record of its unit ({error}); restore it with `git checkout -- data`, "
                f"or delete it and run `make reproduce ONLY={self.name}`"
            ) from error
        return record

    def write(self, record: dict) -> None:
        """Keep the record, whole or not at all."""
        with files.replacing(self.path) as partial:
            partial.write_text(json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n")


def modules() -> dict[str, ModuleType]:
    """The modules of `fairlib.book.experiments` that have units or estimates.

    Returns
    -------
    dict of str to module
        By chapter.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(EXPERIMENTS).__path__))
    found = {name: importlib.import_module(f"{EXPERIMENTS}.{name}") for name in names}
    return {name: module for name, module in found.items() if hasattr(module, "units") or hasattr(module, "estimates")}


def chapters() -> list[str]:
    """The chapters that have units."""
    return [name for name, module in modules().items() if hasattr(module, "units")]


def of(chapter: str, *profiles: str) -> list[Unit]:
    """A chapter's units, each once.

    Parameters
    ----------
    chapter : str
        One of `chapters()`.
    *profiles : str
        `embedded`, `paper`, or both.

    Returns
    -------
    list of Unit

    Raises
    ------
    ValueError
        For an unknown chapter or profile, and for two units of one name.
    """
    checks.one_of(chapter, chapters(), "chapter")
    found: dict[str, Unit] = {}
    for profile in profiles:
        for arguments in modules()[chapter].units(profile):
            unit = Unit(chapter, json.loads(json.dumps(arguments)))
            if found.setdefault(unit.name, unit) != unit:
                raise ValueError(
                    f"two units are called {unit.name}; let arguments differ in letters, digits, dots or dashes"
                )
    return list(found.values())


def chosen(only: str, *profiles: str) -> dict[str, Unit | None]:
    """What is asked for of these profiles.

    Parameters
    ----------
    only : str
        A part of a unit's name, or a pattern of such a part with * and ?; or `chapter/`.
    *profiles : str
        `embedded`, `paper`, or both.

    Returns
    -------
    dict of str to Unit or None
        Units by name; None by `chapter/` for a chapter that has only estimates.
    """
    found: dict[str, Unit | None] = {}
    for name, module in modules().items():
        if hasattr(module, "units"):
            found |= {unit.name: unit for unit in of(name, *profiles)}
        else:
            found[f"{name}/"] = None
    return {name: unit for name, unit in found.items() if fnmatch(name, f"*{only}*")}


def source(chapter: str) -> str:
    """The digest of all that a chapter's numbers come from, by which a record is known to be stale.

    Parameters
    ----------
    chapter : str
        One of `chapters()`.

    Returns
    -------
    str
        Sixteen hexadecimal digits, as `fairlib.digest.of` gives them.
    """
    return digest.of(f"{EXPERIMENTS}.{chapter}", "run", strings(chapter))


def strings(chapter: str) -> list[str]:
    """The strings among the arguments of a chapter's units, which may name data files."""
    arguments = (value for unit in of(chapter, *runtime.PROFILES) for value in unit.arguments.values())
    return sorted({value for value in arguments if isinstance(value, str)})


def fresh(record: dict, source: str) -> bool:
    """Whether a record was made, or verified, with what has this digest.

    Parameters
    ----------
    record : dict
        As `Unit.record` gives it.
    source : str
        A digest, as `source` gives it.

    Returns
    -------
    bool
    """
    return source in (record["source"], record.get("verified", {}).get("source"))
