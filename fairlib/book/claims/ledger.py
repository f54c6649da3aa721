"""Every checkable claim of both papers, the estimate that decides it, and the verdict that its rule draws.

Claims are `data/claims/<paper>.toml`, estimates `data/results/estimates/<chapter>.json`; a verdict is computed from the
two and never written down. `data/claims/README.md` lists the quantities that each chapter records.
"""

import inspect
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from fairlib import checks, files
from fairlib.book.claims.rules import RULES, TINY, Estimate, matches, matches_range, repetition
from fairlib.book.terms import CHAPTERS, NOT_REPRODUCED, NOT_YET, PAPERS, PARTLY, RELEASED_BUG, REPRODUCED, VERDICTS

COLUMNS = (
    "id", "paper", "place", "says", "setting", "rule", "published", "ours", "low", "high", "repeat_low", "repeat_high",
    "released", "decimals", "verdict", "reason", "chapter", "anchor", "cause",
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One claim of a paper: where it stands, what it says in our words, and how it is decided.

    `quantity`: key of the deciding estimate among those of `chapter` (None: not testable). `quantity_released`: the
    same quantity computed with the released code's bug. `cause`: `chapter#anchor` of the section that explains a
    failure. `setting`: what stands in for the paper's own setting here. `parameters`: those of the rule.
    """

    id: str
    paper: str
    place: str
    says: str
    chapter: str
    rule: str
    quantity: str | None = None
    quantity_released: str | None = None
    cause: str | None = None
    setting: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)


def load(paper: str | None = None) -> list[Claim]:
    """The claims of a paper, or of both, in the order of the papers.

    Parameters
    ----------
    paper : str, optional
        `pepe` or `hua`; both where it is left out.

    Returns
    -------
    list of Claim

    Raises
    ------
    ValueError
        For an unknown paper, and for a file with a duplicate id, an unknown rule, chapter, cause or field, or a
        parameter that is missing or of the wrong type.
    FileNotFoundError
        Where a file of `data/claims` is missing.
    """
    if paper is not None:
        checks.one_of(paper, PAPERS, "paper")
    claims, known = {}, causes()
    for name in PAPERS if paper is None else (paper,):
        for row in _toml(name).get("claim", []):
            claim = _claim(row, name)
            if claim.id in claims:
                raise ValueError(f"claim {claim.id!r} stands twice in data/claims; give each claim an id of its own")
            if claim.cause and claim.cause not in known:
                raise ValueError(f"claim {claim.id!r} has the cause {claim.cause!r}: give it a line in causes.toml")
            claims[claim.id] = claim
    return list(claims.values())


def causes() -> dict[str, str]:
    """The sections that explain a failure.

    Returns
    -------
    dict of str to str
        By `chapter#anchor` the words of the link to it.
    """
    return _toml("causes")


def _toml(name: str) -> dict[str, object]:
    path = files.root() / "claims" / f"{name}.toml"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; restore it with `git checkout -- data`")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML ({error}); mend that line") from error


def _claim(row: Mapping[str, object], paper: str) -> Claim:
    name = f"claim {row.get('id', '(without id)')!r} of {paper}.toml"
    known = {f: row[f] for f in Claim.__dataclass_fields__ if f in row and f not in ("paper", "parameters")}
    for f in {"id", "place", "says", "chapter", "rule", *known}:
        if not isinstance(known.get(f), str) or not known[f]:
            raise ValueError(f"{name} has {f} = {known.get(f)!r}, expected a text; see the head of the file")
    checks.one_of(known["rule"], tuple(RULES), f"rule of {name}")
    checks.one_of(known["chapter"], CHAPTERS, f"chapter of {name}")
    if ("quantity" in known) == (known["rule"] == "not_testable"):
        raise ValueError(f"{name}: not_testable takes no quantity, every other rule needs one")
    parameters = {key: value for key, value in row.items() if key not in known}
    _, *asked = inspect.signature(RULES[known["rule"]]).parameters.values()
    missing = [p.name for p in asked if p.default is p.empty and p.name not in parameters]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}, which the rule {known['rule']} needs")
    kinds = {p.name: p.annotation for p in asked}
    for key, value in parameters.items():
        if key not in kinds:
            raise ValueError(f"{name} has {key!r}, which is no field and no parameter of the rule {known['rule']}")
        if not isinstance(value, kinds[key]):
            raise ValueError(f"{key} of {name} is {value!r}, expected {kinds[key]}")
    return Claim(**known, paper=paper, parameters=parameters)


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
    asked = {q for c in load() if c.chapter == chapter for q in (c.quantity, c.quantity_released)}
    strange = sorted(set(estimates) - asked)
    if strange:
        raise ValueError(
            f"no claim of the chapter {chapter} asks for {', '.join(strange)}; see data/claims/README.md for the keys"
        )
    for quantity, e in estimates.items():
        checks.instance(e, Estimate, quantity, "make one with fairlib.book.claims.Estimate")
    content = {"provenance": dict(provenance), "estimates": {q: asdict(e) for q, e in sorted(estimates.items())}}
    text = json.dumps(content, indent=1, allow_nan=False)
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


def ledger(paper: str | None = None, verdict: str | None = None, chapter: str | None = None) -> pd.DataFrame:
    """One row per claim, joined with its estimate and its computed verdict.

    Parameters
    ----------
    paper, verdict, chapter : str, optional
        One of `PAPERS`, `VERDICTS` and `CHAPTERS`; what is left out keeps all.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`: the claim's id, paper, place, says, setting, rule; `published`, the printed value or what the
        rule asks, as text; `ours` with its interval `low`, `high`; `repeat_low`, `repeat_high`, the range of a
        `repetition`, where the rule looks at it (else NaN); `released`, the value with the released bug (NaN where not
        recorded); `decimals` to show; verdict; `reason` why a claim is not testable; chapter; `anchor` of the deciding
        estimate; `cause`, only where the verdict falls short.

    Raises
    ------
    ValueError
        For an unknown paper, verdict or chapter, and for damaged files.
    """
    if verdict is not None:
        checks.one_of(verdict, VERDICTS, "verdict")
    if chapter is not None:
        checks.one_of(chapter, CHAPTERS, "chapter")
    claims = [c for c in load(paper) if chapter in (None, c.chapter)]
    estimates = {c: recorded(c) for c in {c.chapter for c in claims}}
    rows = [_row(c, estimates[c.chapter]) for c in claims]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame if verdict is None else frame[frame["verdict"] == verdict].reset_index(drop=True)


def _row(claim: Claim, estimates: Mapping[str, Estimate]) -> dict[str, object]:
    verdict = judge(claim, estimates)
    ours, released = estimates.get(claim.quantity), estimates.get(claim.quantity_released)
    short = verdict in (PARTLY, NOT_REPRODUCED, RELEASED_BUG)
    repeat = (math.nan, math.nan)
    if ours and RULES[claim.rule] in (matches, matches_range):
        repeat = repetition(ours, decimals=claim.parameters["decimals"], n=claim.parameters.get("n"))
    return {
        "id": claim.id,
        "paper": claim.paper,
        "place": claim.place,
        "says": claim.says,
        "setting": claim.setting or "",
        "rule": claim.rule,
        "published": _published(claim),
        "ours": ours.value if ours else math.nan,
        "low": ours.low if ours else math.nan,
        "high": ours.high if ours else math.nan,
        "repeat_low": repeat[0],
        "repeat_high": repeat[1],
        "released": released.value if released else math.nan,
        "decimals": max(claim.parameters.get("decimals", 2), _digits(ours)),
        "verdict": verdict,
        "reason": claim.parameters.get("reason", ""),
        "chapter": claim.chapter,
        "anchor": ours.anchor if ours else "",
        "cause": claim.cause or "" if short else "",
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
        case "positive":
            return "> 0"
        case "negative":
            return "< 0"
        case "orders":
            return f"first of {len(p['among'])}"
        case _:
            return "-"


def judge(claim: Claim, estimates: Mapping[str, Estimate]) -> str:
    """The verdict on a claim.

    Parameters
    ----------
    claim : Claim
        What the paper says, and its rule.
    estimates : mapping of str to Estimate
        Those of its chapter, by quantity.

    Returns
    -------
    str
        One of `VERDICTS`: the rule's; `NOT_YET` where the claim's quantity is not among the estimates; `RELEASED_BUG`
        where the rule fails on it and holds for the quantity computed with the released code's bug.
    """

    def apply(quantity: str | None) -> str:
        return RULES[claim.rule](estimates.get(quantity), **claim.parameters)

    if claim.quantity is None:
        return apply(None)
    if claim.quantity not in estimates:
        return NOT_YET
    verdict = apply(claim.quantity)
    if verdict == NOT_REPRODUCED and claim.quantity_released in estimates:
        return RELEASED_BUG if apply(claim.quantity_released) == REPRODUCED else verdict
    return verdict
