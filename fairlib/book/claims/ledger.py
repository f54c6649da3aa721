"""Every checkable claim of both papers, the estimate that decides it, and the verdict that its rule draws.

Claims are `data/claims/<paper>.toml`, estimates `data/results/estimates/<chapter>.json`; a verdict is computed from the
two and never written down. `data/claims/README.md` lists the quantities that each chapter records.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from fairlib import checks, files
from fairlib.book.claims.claim import Claim, asked, load
from fairlib.book.claims.estimate import TINY, Estimate
from fairlib.book.claims.judging import Judgement, judgements
from fairlib.book.claims.power import placebos, sensitivity
from fairlib.book.claims.rules import CELLS, repetition
from fairlib.book.terms import CHAPTERS, KINDS, NOT_TESTABLE, NOT_YET, REPRODUCED, VERDICTS

COLUMNS = (
    "id", "paper", "kind", "family", "place", "says", "setting", "rule", "published", "ours", "low", "high", "n",
    "units", "basis", "text", "text_low", "text_high", "verdict_code", "verdict_text", "repeat_low", "repeat_high",
    "decimals", "verdict", "sensitivity", "placebos", "notes", "reason", "chapter", "anchor", "cause",
)  # fmt: skip


def _path(chapter: str) -> Path:
    checks.one_of(chapter, CHAPTERS, "chapter")
    return files.root() / "results" / "estimates" / f"{chapter}.json"


def record(chapter: str, estimates: Mapping[str, Estimate], provenance: Mapping[str, object]) -> Path:
    """Write all of a chapter's estimates, in place of those recorded before.

    Parameters
    ----------
    chapter : str
        One of `CHAPTERS`.
    estimates : mapping of str to Estimate
        By quantity.
    provenance : mapping
        Where they came from (device, date, seeds, commit ...), as JSON can hold it.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        For an unknown chapter, or for a quantity that no claim of the chapter asks for.
    """
    path = _path(chapter)
    strange = sorted(set(estimates) - asked(chapter))
    if strange:
        raise ValueError(
            f"no claim of the chapter {chapter} asks for {', '.join(strange)}; see data/claims/README.md for the keys"
        )
    for quantity, e in estimates.items():
        checks.instance(e, Estimate, quantity, "make one with fairlib.book.claims.Estimate")
    content = {"provenance": dict(provenance), "estimates": {q: asdict(e) for q, e in sorted(estimates.items())}}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    with files.replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    return path


def recorded(chapter: str) -> dict[str, Estimate]:
    """The estimates that a chapter has recorded.

    Parameters
    ----------
    chapter : str
        One of `CHAPTERS`.

    Returns
    -------
    dict of str to Estimate
        By quantity; empty when the chapter has not run.

    Raises
    ------
    ValueError
        For an unknown chapter, and for a damaged file or an estimate without an interval.
    """
    path = _path(chapter)
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["estimates"]
        return {quantity: Estimate(**row) for quantity, row in rows.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        mend = f"restore it with `git checkout -- data`, or record the chapter {chapter} again"
        raise ValueError(f"{path} is damaged ({error}); {mend}") from error


def behind(claims: Iterable[Claim]) -> dict[str, dict[str, Estimate]]:
    """The recorded estimates of the chapters that settle claims.

    Parameters
    ----------
    claims : iterable of Claim
        Of any papers.

    Returns
    -------
    dict
        By chapter, then by quantity.

    Raises
    ------
    ValueError
        For a damaged file.
    """
    return {chapter: recorded(chapter) for chapter in {claim.chapter for claim in claims}}


def ledger(
    paper: str | None = None, verdict: str | None = None, chapter: str | None = None, kind: str | None = None
) -> pd.DataFrame:
    """One row per claim, joined with its estimates and its computed verdict.

    Parameters
    ----------
    paper, verdict, chapter, kind : str, optional
        One of `PAPERS`, `VERDICTS`, `CHAPTERS` and `KINDS`; what is left out keeps all.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: the claim's id, paper, kind, family, place, says, setting, rule; `published`, the printed
        value or what the rule asks, as text; `ours` with its interval `low`, `high`, its images `n`, `units` and
        `basis`, as the released code has it where that differs from the text; `text`, `text_low`, `text_high`, as the
        text has it (NaN where it does not differ), with the verdicts of the two columns; `repeat_low`, `repeat_high`,
        the range of a `repetition`, where the rule looks at it (else NaN); `decimals` to show; verdict; `sensitivity`
        and `placebos`, how often the rule says "reproduced" of right and of wrong answers; `notes` on the verdict;
        `reason` why a claim is not testable; chapter; `anchor` of the deciding estimate; `cause`, where it falls
        short.

    Raises
    ------
    ValueError
        For an unknown paper, verdict, chapter or kind, and for damaged files.
    """
    for value, allowed, name in (
        (verdict, VERDICTS, "verdict"), (chapter, CHAPTERS, "chapter"), (kind, KINDS, "kind"),
    ):  # fmt: skip
        if value is not None:
            checks.one_of(value, allowed, name)
    every = load(paper)
    claims = [c for c in every if chapter in (None, c.chapter) and kind in (None, c.kind)]
    estimates = behind(every)
    judged = judgements(claims, estimates, every)
    rows = [_row(c, estimates[c.chapter], judged[c.id]) for c in claims]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame if verdict is None else frame[frame["verdict"] == verdict].reset_index(drop=True)


def _row(claim: Claim, estimates: Mapping[str, Estimate], judged: Judgement) -> dict[str, object]:
    ours, text = estimates.get(claim.quantity), estimates.get(claim.quantity_text)
    ran, repeat = judged.verdict not in (NOT_TESTABLE, NOT_YET), (math.nan, math.nan)
    if ours and claim.rule in CELLS:
        repeat = repetition(ours, decimals=claim.parameters["decimals"], n=claim.parameters.get("n"))
    return {
        **{
            name: getattr(claim, name) for name in ("id", "paper", "kind", "family", "place", "says", "rule", "chapter")
        },
        "setting": claim.setting or "",
        "published": _published(claim),
        "ours": ours.value if ours else math.nan,
        "low": ours.low if ours else math.nan,
        "high": ours.high if ours else math.nan,
        "n": ours.n if ours else None,
        "units": ours.units if ours else None,
        "basis": ours.basis if ours else "",
        "text": text.value if text else math.nan,
        "text_low": text.low if text else math.nan,
        "text_high": text.high if text else math.nan,
        "verdict_code": judged.code if claim.quantity_text else "",
        "verdict_text": judged.text,
        "repeat_low": repeat[0],
        "repeat_high": repeat[1],
        "decimals": max(claim.parameters.get("decimals", 2), _digits(ours)),
        "verdict": judged.verdict,
        "sensitivity": sensitivity(claim, estimates) if ran else math.nan,
        "placebos": placebos(claim, estimates) if ran else {},
        "notes": "; ".join(judged.notes),
        "reason": claim.parameters.get("reason", ""),
        "anchor": ours.anchor if ours else "",
        "cause": claim.cause or "" if ran and judged.verdict != REPRODUCED else "",
    }


def _digits(e: Estimate | None) -> int:
    """Decimals that show the width of an interval, two or more, and, up to four, on which side of zero it ends.

    None where there is no width: an exact number is shown as finely as the paper prints it.
    """
    width = e.high - e.low if e else 0.0
    if width < TINY:
        return 0
    digits = min(6, max(2, -math.floor(math.log10(width))))
    while digits < 4 and any(end and not round(end, digits) for end in (e.low, e.high)):
        digits += 1
    return digits


def _published(claim: Claim) -> str:
    p = claim.parameters
    match claim.rule:
        case "matches" | "equals":
            return f"{p['value']:.{p['decimals']}f}"
        case "matches_range":
            return f"{p['low']:.{p['decimals']}f} to {p['high']:.{p['decimals']}f}"
        case "at_least":
            return f"≥ {p['value']:g}"
        case "at_most":
            return f"≤ {p['value']:g}"
        case "between":
            return f"{p['low']:g} to {p['high']:g}"
        case "equivalent":
            return f"{p.get('to', 0):g} ± {p['smallest']:g}"
        case "positive":
            return "> 0"
        case "negative":
            return "< 0"
        case "orders":
            return f"first of {len(p['among'])}"
        case _:
            return "-"
