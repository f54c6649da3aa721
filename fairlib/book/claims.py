"""The ledger: every checkable claim of both papers, the estimate that decides it, and the verdict that a rule draws.

Claims are `data/claims/<paper>.toml`, estimates `data/results/estimates/<chapter>.json`; a verdict is computed from the
two and never written down. `data/claims/README.md` lists the quantities that each chapter records.
"""

import html
import inspect
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
from scipy import stats

from fairlib import checks, files
from fairlib.book.terms import (
    CHAPTERS,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    NOT_YET,
    PAPERS,
    PARTLY,
    RELEASED_BUG,
    REPRODUCED,
    VERDICTS,
)

TINY = 1e-9  # two decimal fractions that are equal on paper differ by less than this in binary


@dataclass(frozen=True)
class Estimate:
    """One number of ours with its 95 % interval, low <= value <= high.

    `anchor`: label of the cell or section of the chapter that shows it. `record`: the file or folder of the runs that
    it came from, relative to `data/`, or "" when the chapter computes it live. `n`: images behind it. `sd`: standard
    deviation between `seeds` trainings (then `value` is their mean); None where there is one training or none. Raises
    ValueError for anything else.
    """

    value: float
    low: float
    high: float
    anchor: str
    record: str = ""
    n: int | None = None
    sd: float | None = None
    seeds: int = 1

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high)
        if not all(_number(v) for v in numbers) or not self.low - TINY <= self.value <= self.high + TINY:
            raise ValueError(
                f"an estimate has value, low, high = {numbers}, expected finite numbers with low <= value <= high; "
                "an exact number has its own value as both ends of its interval"
            )
        if not isinstance(self.anchor, str) or not re.fullmatch(r"[\w.-]+", self.anchor):
            raise ValueError(f"anchor is {self.anchor!r}, expected the label of a place on the chapter's page")
        if not isinstance(self.record, str):
            raise ValueError(f"record is {self.record!r}, expected the name of a file or folder below data/, or ''")
        if self.n is not None and not _count(self.n):
            raise ValueError(f"n is {self.n!r}, expected a number of images, or None")
        if not _count(self.seeds):
            raise ValueError(f"seeds is {self.seeds!r}, expected the number of trainings, 1 or more")
        if (self.sd is None) != (self.seeds == 1) or (self.sd is not None and not (_number(self.sd) and self.sd >= 0)):
            raise ValueError(
                f"sd is {self.sd!r} with seeds={self.seeds}, expected 0 or more with 2 trainings or more, else None"
            )


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


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# --- The rules: an estimate and the claim's parameters in, a verdict out. ---------------------------------------------


def _half_unit(decimals: int | None) -> float:
    """Half a unit of the last printed digit: what rounding hides."""
    if decimals is not None:
        checks.whole(decimals, "decimals", 0)
    return TINY + (0.0 if decimals is None else 0.5 * 10.0**-decimals)


def repetition(e: Estimate, *, decimals: int, n: int | None = None) -> tuple[float, float]:
    """Where the same measurement, made once more and printed with so many `decimals`, would fall: its lowest, highest.

    That is our uncertainty and the paper's sampling error in quadrature, widened by half a unit of the last printed
    digit. Ours: with m trainings the prediction interval of one more, mean +- t(0.975, m - 1) sd sqrt(1 + 1/m); with
    one training its own interval. The paper's: 1.96 sqrt(p (1 - p)/n) on its `n` images. Leave out `n` where the value
    is no proportion of images; for a difference of two accuracies on the same images p is its size, which makes
    p (1 - p)/n the least that its sampling variance can be.
    """
    checks.instance(e, Estimate, "the estimate", "make one with fairlib.book.claims.Estimate")
    if n is not None:
        checks.whole(n, "n")
    p = abs(e.value)
    sampling = stats.norm.ppf(0.975) * math.sqrt(max(0.0, p * (1 - p)) / n) if n else 0.0
    down, up = e.value - e.low, e.high - e.value
    if e.sd is not None:
        down = up = stats.t.ppf(0.975, e.seeds - 1) * e.sd * math.sqrt(1 + 1 / e.seeds)
    half = _half_unit(decimals)
    return e.value - math.hypot(down, sampling) - half, e.value + math.hypot(up, sampling) + half


def matches_range(
    e: Estimate,
    *,
    low: int | float,
    high: int | float,
    decimals: int,
    n: int | None = None,
    near: int | float = 0.10,
) -> str:
    """A `repetition` would reach [low, high], and our value is off by half of `near` at most.

    Partly: a repetition would reach it, however far our value is off, or our value is off by `near` at most.
    """
    if not checks.finite(low, "low") <= checks.finite(high, "high"):
        raise ValueError(f"low={low}, high={high}: expected low <= high; exchange them")
    checks.not_negative(near, "near", "a distance")
    lowest, highest = repetition(e, decimals=decimals, n=n)
    reached = lowest <= high and low <= highest
    off = max(low - e.value, e.value - high, 0.0)
    if reached and off <= near / 2 + TINY:
        return REPRODUCED
    return PARTLY if reached or off <= near + TINY else NOT_REPRODUCED


def matches(e: Estimate, *, value: int | float, decimals: int, n: int | None = None, near: int | float = 0.10) -> str:
    """The same for one published `value`."""
    return matches_range(e, low=value, high=value, decimals=decimals, n=n, near=near)


def between(e: Estimate, *, low: int | float, high: int | float, decimals: int | None = None) -> str:
    """Our interval lies inside [low, high]; partly: it overlaps. `decimals` widens the range to what rounds into it."""
    checks.instance(e, Estimate, "the estimate", "make one with fairlib.book.claims.Estimate")
    if not (_real(low) and _real(high) and low <= high):
        raise ValueError(f"low={low}, high={high}: expected numbers with low <= high, which may be infinite")
    slack = _half_unit(decimals)
    if low - slack <= e.low and e.high <= high + slack:
        return REPRODUCED
    return PARTLY if e.low <= high + slack and low - slack <= e.high else NOT_REPRODUCED


def at_least(e: Estimate, *, value: int | float, decimals: int | None = None) -> str:
    """Our interval lies at or above `value`; partly: it straddles it."""
    return between(e, low=value, high=math.inf, decimals=decimals)


def at_most(e: Estimate, *, value: int | float, decimals: int | None = None) -> str:
    """Our interval lies at or below `value`; partly: it straddles it."""
    return between(e, low=-math.inf, high=value, decimals=decimals)


def positive(e: Estimate) -> str:
    """Our interval lies above zero; partly: it holds zero."""
    checks.instance(e, Estimate, "the estimate", "make one with fairlib.book.claims.Estimate")
    if e.low > 0:
        return REPRODUCED
    return PARTLY if e.high > 0 else NOT_REPRODUCED


def negative(e: Estimate) -> str:
    """Our interval lies below zero; partly: it holds zero."""
    checks.instance(e, Estimate, "the estimate", "make one with fairlib.book.claims.Estimate")
    if e.high < 0:
        return REPRODUCED
    return PARTLY if e.low < 0 else NOT_REPRODUCED


def orders(e: Estimate, *, first: str, among: list) -> str:
    """`first` leads `among`: the interval of its lead over the runner-up is above zero; partly: it holds zero."""
    return positive(e)


def equals(e: Estimate, *, value: int | float, decimals: int) -> str:
    """A recomputation gives the printed digits; its interval is what the rounding of its printed inputs allows."""
    checks.instance(e, Estimate, "the estimate", "make one with fairlib.book.claims.Estimate")
    checks.finite(value, "value")
    half = _half_unit(decimals)
    return REPRODUCED if e.low - half <= value <= e.high + half else NOT_REPRODUCED


def not_testable(e: Estimate | None, *, reason: str) -> str:
    """Nothing here can decide it, for the `reason` given."""
    return NOT_TESTABLE


RULES: dict[str, Callable[..., str]] = {
    rule.__name__: rule
    for rule in (
        *(matches, matches_range, equals),
        *(between, at_least, at_most, positive, negative, orders),
        not_testable,
    )
}


def judge(claim: Claim, estimates: Mapping[str, Estimate]) -> str:
    """The verdict on a claim, given the estimates of its chapter by quantity."""

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


# --- Reading and writing. ---------------------------------------------------------------------------------------------


def load(paper: str | None = None) -> list[Claim]:
    """The claims of `pepe`, of `hua`, or (None) of both, in the order of the papers.

    Raises ValueError for an unknown paper, and for a file with a duplicate id, an unknown rule, chapter, cause or
    field, or a parameter that is missing or of the wrong type.
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
    """The sections that explain a failure, as `chapter#anchor`, each with the words of the link to it."""
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
    """Write all of a chapter's estimates, in place of those recorded before; return the file.

    `provenance`: where they came from (device, date, seeds, commit ...), as JSON can hold it. Raises ValueError for an
    unknown chapter, or for a quantity that no claim of the chapter asks for.
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
    """The estimates that a chapter has recorded, by quantity; empty when it has not run.

    Raises ValueError for an unknown chapter, and for a damaged file or an estimate without an interval.
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


COLUMNS = (
    "id", "paper", "place", "says", "setting", "rule", "published", "ours", "low", "high", "repeat_low", "repeat_high",
    "released", "decimals", "verdict", "reason", "chapter", "anchor", "cause",
)  # fmt: skip


def ledger(paper: str | None = None, verdict: str | None = None, chapter: str | None = None) -> pd.DataFrame:
    """One row per claim, joined with its estimate and its computed verdict; None keeps every paper, verdict or chapter.

    Columns: the claim's id, paper, place, says, setting, rule; `published`, the printed value or what the rule asks, as
    text; `ours` with its interval `low`, `high`; `repeat_low`, `repeat_high`, the range of a `repetition`, where the
    rule looks at it (else NaN); `released`, the value with the released bug (NaN where not recorded); `decimals` to
    show; verdict; `reason` why a claim is not testable; chapter; `anchor` of the deciding estimate; `cause`, only where
    the verdict falls short. Raises ValueError for an unknown paper, verdict or chapter and for damaged files.
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


# --- Showing it. ------------------------------------------------------------------------------------------------------


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each paper have which verdict: one row per verdict, one column per paper and `all`.

    Verdicts and papers that `frame` does not have are left out.
    """
    table = pd.crosstab(frame["verdict"], frame["paper"])
    table = table.reindex(index=[v for v in VERDICTS if v in table.index], columns=[p for p in PAPERS if p in table])
    return table.assign(all=table.sum(axis=1))


def amounts(frame: pd.DataFrame) -> list[str]:
    """What the verdicts amount to: a sentence per paper, the cells of its tables apart from its other claims."""
    decided = frame[~frame["verdict"].isin([NOT_TESTABLE, NOT_YET])]
    cell = (decided["rule"] == "matches") & decided["place"].str.fullmatch(r"(.*, )?table \d+", case=False)
    sentences = []
    for paper in PAPERS:
        parts = []
        for what, chosen in (("numbers in the tables", cell), ("other claims", ~cell)):
            found = decided.loc[chosen & (decided["paper"] == paper), "verdict"]
            shares = [f"{share:.0%} {v}".replace("%", " %") for v in VERDICTS if (share := (found == v).mean()) > 0]
            parts += [f"of the {len(found)} {what}, {', '.join(shares)}"] if shares else []
        sentences += [f"{AUTHORS[paper]}: {'; '.join(parts)}."] if parts else []
    return sentences


def here(row: Mapping[str, object]) -> str:
    """Our side of a row of the ledger as text: value and interval, or the reason why there is none."""
    if math.isnan(row["ours"]):
        return row["reason"] or row["verdict"]
    d = row["decimals"]
    ours, low, high = (round(row[end], d) + 0.0 for end in ("ours", "low", "high"))  # no -0.00
    text = f"{ours:.{d}f} [{low:.{d}f}, {high:.{d}f}]"
    if row["low"] < row["high"] and max(abs(row["low"]), abs(row["high"])) < 10**-d:  # a p-value, say
        text = f"{_power(row['ours'])} [{_power(row['low'])}, {_power(row['high'])}]"
    return text if math.isnan(row["released"]) else f"{text}; {row['released']:.{d}f} with the bug"


def _power(number: float) -> str:
    """A small number as 2·10⁻⁸, with one digit."""
    digit, _, exponent = f"{number:.0e}".partition("e")
    return f"{digit}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if number else "0"


def repeats(row: Mapping[str, object]) -> str:
    """The range that decided a row of the ledger as text, or "" where its rule has none.

    Its ends are rounded inwards, so that what the paper prints lies in the range shown exactly if it lies in the range.
    """
    if math.isnan(row["repeat_low"]):
        return ""
    d = row["decimals"]
    low, high = (end / 10**d for end in (math.ceil(row["repeat_low"] * 10**d), math.floor(row["repeat_high"] * 10**d)))
    return f"a repetition: {low:.{d}f} to {high:.{d}f}"


def as_text(frame: pd.DataFrame) -> str:
    """The ledger for a terminal: counts, then two lines a claim."""
    if frame.empty:
        return "no such claim"
    table = counts(frame)
    lines = [(table if table.shape[1] > 2 else table.drop(columns="all")).to_string(), ""]
    for row in frame.to_dict("records"):
        ours = "; ".join(filter(None, (here(row), repeats(row))))
        lines += [
            f"{row['verdict']:<27}{row['id']}  ({row['place']})",
            f"{'':<27}{row['says']}  paper {row['published']}, here {ours}",
        ]
    return "\n".join(lines)


def as_json(frame: pd.DataFrame) -> str:
    """The ledger as a JSON list, one object per claim; a number that is not there is null."""
    return frame.to_json(orient="records", indent=1, force_ascii=False)


# --- The dashboard. ---------------------------------------------------------------------------------------------------

AUTHORS = {"pepe": "Pepe", "hua": "Hua et al."}
MARKS = dict(zip(VERDICTS, "✓◐✗⚑∅…", strict=True))  # so that colour is never the only sign
FOLDED = 25  # a chapter with more claims than that folds its list


def dashboard_html(frame: pd.DataFrame) -> str:
    """The front page's dashboard for a `ledger()`: counts by verdict and paper, their `amounts`, one row per claim.

    Static HTML that reads without scripts; `book/_static/ledger.js` shows the filters and works them, `custom.css`
    beside it lays it out. For a page in `book/` or `notebooks/`. A row links to the cell that shows its number and,
    where the verdict falls short, to the cause.
    """
    table = counts(frame)
    papers = [AUTHORS[p] for p in table.columns.drop("all")]
    count_rows = [(v, "".join(f"<td>{k}</td>" for k in row)) for v, *row in table.itertuples()]
    options = {
        "paper": [(p, AUTHORS[p]) for p in PAPERS],
        "verdict": [(v, f"{MARKS[v]} {v}") for v in table.index],
    }
    selects = "".join(
        f'<label>{name.capitalize()} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
        + "</select></label>"
        for name, choices in options.items()
    )
    parts = [
        '<div id="ledger" class="ledger">',
        '<table class="counts"><caption>Claims by verdict and paper</caption>',
        _header(["Verdict", *papers, "Both"]),
        "<tbody>",
        *(f'<tr data-verdict="{v}"><th scope="row">{_mark(v)}</th>{cells}</tr>' for v, cells in count_rows),
        "</tbody></table>",
        *(f"<p>{sentence}</p>" for sentence in amounts(frame)),
        f'<form hidden role="search" aria-label="Filter the claims">{selects}'
        '<label>Search <input type="search" name="text" placeholder="LeNet, table 3, JPEG"></label></form>',
        f'<p role="status">{len(frame)} claims</p>',
        _claims_table(frame, "Every claim"),
        '<script src="../_static/ledger.js" defer></script></div>',
    ]
    return "\n".join(parts)


def chapter_html(chapter: str) -> str:
    """The claims that a chapter settles, for its own page: one row each, as on the dashboard.

    Where there are many, they are counted by their place in the paper, and the list is folded. Raises ValueError for an
    unknown chapter.
    """
    frame = ledger(chapter=chapter)
    listed = _claims_table(frame, "Claims of this chapter")
    if len(frame) <= FOLDED:
        return f'<div class="ledger">\n{listed}\n</div>'
    found = [v for v in VERDICTS if v in set(frame["verdict"])]
    tally = pd.crosstab(frame["place"], frame["verdict"]).loc[frame["place"].unique(), found]
    parts = [
        '<div class="ledger">',
        '<table class="counts places"><caption>Claims of this chapter by their place in the paper</caption>',
        _header(["Place", *map(_mark, found)]),
        "<tbody>",
        *(
            f'<tr><th scope="row">{place}</th>{"".join(f"<td>{k}</td>" for k in row)}</tr>'
            for place, *row in tally.itertuples()
        ),
        "</tbody></table>",
        f"<details><summary>All {len(frame)} claims</summary>",
        listed,
        "</details></div>",
    ]
    return "\n".join(parts)


def _claims_table(frame: pd.DataFrame, caption: str) -> str:
    why = causes()
    parts = [
        f'<table class="claims"><caption>{caption}</caption>',
        _header(["Verdict", "Claim", "Paper", "Here"]),
        "<tbody>",
        *(_html_row(row, why) for row in frame.to_dict("records")),
        "</tbody></table>",
    ]
    return "\n".join(parts)


def _header(names: Iterable[str]) -> str:
    return "<thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr></thead>"


def _mark(verdict: str) -> str:
    return f'<span aria-hidden="true">{MARKS[verdict]}</span> {verdict}'


def _html_row(row: Mapping[str, object], why: Mapping[str, str]) -> str:
    e = {key: html.escape(str(value)) for key, value in row.items()}
    setting = f"<small>Tested on {e['setting']}.</small>" if row["setting"] else ""
    ours = html.escape(here(row))
    if row["anchor"]:
        ours = f'<a href="../notebooks/{e["chapter"]}.html#{e["anchor"]}">{ours}</a>'
    if repeat := repeats(row):
        ours += f" <small>{repeat}</small>"
    if row["cause"]:
        page, _, anchor = row["cause"].partition("#")
        ours += f' <small><a href="../notebooks/{page}.html#{anchor}">Why: {html.escape(why[row["cause"]])}</a></small>'
    return (
        f'<tr id="{e["id"]}" data-paper="{e["paper"]}" data-verdict="{e["verdict"]}">'
        f'<th scope="row">{_mark(row["verdict"])}</th>'
        f"<td>{e['says']}<small>{AUTHORS[row['paper']]}, {e['place']}</small>{setting}</td>"
        f"<td>{e['published']}</td><td>{ours}</td></tr>"
    )
