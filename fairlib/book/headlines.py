"""The numbers that answer the chapters' questions: computed once, shown alike on every page.

`data/claims/headlines.toml` lists them, `data/results/estimates` has their values. A page takes each from here, in a
span that names the quantity, so that a test can find one with two values.
"""

import html
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from fairlib import checks, files
from fairlib.book import claims, wording


@dataclass(frozen=True)
class Headline:
    """How the estimate of one quantity is shown: `times` a factor, with so many digits, signed, or in per cent."""

    chapter: str
    quantity: str
    digits: int = 2
    signed: bool = False
    percent: bool = False
    times: float = 1.0


def load() -> dict[str, Headline]:
    """All headlines.

    Returns
    -------
    dict of str to Headline
        By `chapter/quantity`, or `chapter/name` where a headline has a name of its own.

    Raises
    ------
    ValueError
        For an unknown chapter or field.
    """
    found = {}
    for chapter, rows in tomllib.loads(
        (files.root() / "claims" / "headlines.toml").read_text(encoding="utf-8")
    ).items():
        checks.one_of(chapter, claims.CHAPTERS, "chapter of headlines.toml")
        for name, shown in rows.items():
            if strange := set(shown) - set(Headline.__dataclass_fields__):
                raise ValueError(f"headline {name!r} has {', '.join(sorted(strange))}, which is no field of Headline")
            found[f"{chapter}/{name}"] = Headline(**{"chapter": chapter, "quantity": name} | shown)
    return found


def estimate(key: str) -> claims.Estimate:
    """The recorded estimate behind a headline.

    Parameters
    ----------
    key : str
        One of `load`.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        For an unknown key.
    FileNotFoundError
        Where its chapter has not recorded it.
    """
    return _read(key)[1]


def _read(key: str) -> tuple[Headline, claims.Estimate]:
    """How a headline is shown, and its estimate."""
    every = load()
    if key not in every:
        raise ValueError(f"{key!r} is no headline; list it in data/claims/headlines.toml")
    headline = every[key]
    recorded = claims.recorded(headline.chapter)
    if headline.quantity not in recorded:
        mend = f"run `make reproduce ONLY={headline.chapter}/`"
        raise FileNotFoundError(f"{headline.quantity} of the chapter {headline.chapter} is not recorded; {mend}")
    return headline, recorded[headline.quantity]


def number(key: str) -> str:
    """A headline's value and interval.

    Parameters
    ----------
    key : str
        One of `load`.

    Returns
    -------
    str
        As `+0.023 [+0.010, +0.036]`; the value alone where it is exact.

    Raises
    ------
    ValueError
        For an unknown key.
    FileNotFoundError
        Where its chapter has not recorded it.
    """
    return _number(*_read(key))


def _number(h: Headline, e: claims.Estimate) -> str:
    factor, unit = (100 * h.times, " %") if h.percent else (h.times, "")
    shown = wording.with_ends(e, h.digits, sign="+" if h.signed else "", times=factor, unit=unit)
    return shown.partition(" [")[0] if e.low == e.high else shown


def text(key: str) -> str:
    """A headline with what it rests on.

    Parameters
    ----------
    key : str
        One of `load`.

    Returns
    -------
    str
        As `+0.023 [+0.010, +0.036], 10 trainings x 2,000 images`.

    Raises
    ------
    ValueError
        For an unknown key.
    FileNotFoundError
        Where its chapter has not recorded it.
    """
    shown, e = _read(key)
    return f"{_number(shown, e)}, {e.basis}" if e.basis else _number(shown, e)


def span(key: str, *, basis: bool = False) -> str:
    """A headline for Markdown or HTML.

    Parameters
    ----------
    key : str
        One of `load`.
    basis : bool
        Whether what it rests on follows in parentheses; it is the span's title in any case.

    Returns
    -------
    str
        Its number in a span that names the quantity.

    Raises
    ------
    ValueError
        For an unknown key.
    FileNotFoundError
        Where its chapter has not recorded it.
    """
    headline, e = _read(key)
    name, rests = html.escape(key), html.escape(e.basis)
    shown = f'<span class="number" data-quantity="{name}" title="{rests}">{_number(headline, e)}</span>'
    return f"{shown} ({e.basis})" if basis and e.basis else shown


def between(keys: Iterable[str]) -> str:
    """The smallest and the largest of several headlines.

    Parameters
    ----------
    keys : iterable of str
        Of `load`, of one unit.

    Returns
    -------
    str
        Two spans with `to` between them.

    Raises
    ------
    ValueError
        For an unknown key, and for none.
    FileNotFoundError
        Where a chapter has not recorded one.
    """
    ordered = sorted(keys, key=lambda key: estimate(key).value)
    if not ordered:
        raise ValueError("there is no headline to show; give one or more keys of data/claims/headlines.toml")
    return f"{span(ordered[0])} to {span(ordered[-1])}"
