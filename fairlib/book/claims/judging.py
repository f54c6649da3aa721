"""From claims and estimates to verdicts: the rule of each row, and what stands around it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fairlib.book.claims import holm
from fairlib.book.claims.claim import Claim
from fairlib.book.claims.estimate import Estimate
from fairlib.book.claims.rules import CELLS, RULES, mirrored, no_effect
from fairlib.book.terms import (
    CODE_ONLY,
    CONSTRUCTION,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    NOT_YET,
    PARTLY,
    REPRODUCED,
    TEXT_ONLY,
    UNDECIDED,
)

HOLDS = {REPRODUCED, PARTLY, CODE_ONLY, TEXT_ONLY}  # at least a part of it


@dataclass(frozen=True)
class Judgement:
    """The verdict on a claim, those of its two columns ("" where there is none), and what a reader should know."""

    verdict: str
    code: str = ""
    text: str = ""
    notes: tuple[str, ...] = ()


def judge(claim: Claim, estimates: Mapping[str, Estimate]) -> str:
    """The verdict on a claim by itself, without its family and without the claims that it is joined with.

    Parameters
    ----------
    claim : Claim
        What the paper says, and its rule.
    estimates : mapping of str to Estimate
        Those of its chapter, by quantity.

    Returns
    -------
    str
        One of `VERDICTS`: `NOT_YET` where one of the claim's quantities is not among the estimates.
    """
    return _alone(claim, estimates, {}).verdict


def judgements(
    claims: Sequence[Claim], estimates: Mapping[str, Mapping[str, Estimate]], every: Sequence[Claim] | None = None
) -> dict[str, Judgement]:
    """The verdicts on claims that stand together.

    Parameters
    ----------
    claims : sequence of Claim
        Those asked for, of one paper or of both.
    estimates : mapping
        By chapter, then by quantity; of the chapters of `every`.
    every : sequence of Claim, optional
        All claims of the papers, among which the families and the joined ones are looked for; left out, `claims`.

    Returns
    -------
    dict of str to Judgement
        By the claims' ids.
    """
    every = claims if every is None else every
    known = {claim.id: claim for claim in every}
    ps = _families(every, estimates)

    def alone(claim: Claim) -> Judgement:
        return _alone(claim, estimates.get(claim.chapter, {}), ps.get(claim.id, {}))

    found = {}
    for claim in claims:
        judged, others = alone(claim), [known[key] for key in claim.joint if key in known]
        verdicts = {other.id: alone(other).verdict for other in others}
        notes = tuple(f"{key} is {verdict}" for key, verdict in verdicts.items() if verdict != judged.verdict)
        joint = joined([judged.verdict, *verdicts.values()])
        found[claim.id] = replace(judged, verdict=joint, notes=judged.notes + notes)
    return found


def joined(verdicts: Iterable[str]) -> str:
    """The verdict on a statement whose parts must all hold.

    Parameters
    ----------
    verdicts : iterable of str
        Those of its parts.

    Returns
    -------
    str
        The worst of them; `PARTLY` where one part holds and another fails.
    """
    found = set(verdicts)
    for verdict in (NOT_YET, NOT_TESTABLE):
        if verdict in found:
            return verdict
    if NOT_REPRODUCED in found:
        return PARTLY if found & HOLDS else NOT_REPRODUCED
    return next(v for v in (UNDECIDED, PARTLY, TEXT_ONLY, CODE_ONLY, REPRODUCED) if v in found)


def columns(code: str, text: str) -> str:
    """The verdict where the released code and the text differ.

    Parameters
    ----------
    code, text : str
        Those of the two columns.

    Returns
    -------
    str
        The one that both have; `CODE_ONLY` or `TEXT_ONLY` where one is reproduced and the other fails; `UNDECIDED`
        where one of two different ones is; else the code's.
    """
    if code == text:
        return code
    if UNDECIDED in (code, text):
        return UNDECIDED
    return CODE_ONLY if code == REPRODUCED else TEXT_ONLY if text == REPRODUCED else code


def _families(every: Sequence[Claim], estimates: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, float]]:
    """By id and quantity, p over the family by Holm and, under "of", how many comparisons it has."""
    families: dict[tuple[str, str], dict[tuple[str, str], Estimate]] = {}
    for claim in every:
        own = estimates.get(claim.chapter, {})
        for column, quantity in (("code", claim.quantity), ("text", claim.quantity_text)):
            if claim.holm and quantity in own:
                family = families.setdefault((claim.paper, f"{claim.family}/{column}"), {})
                family[claim.id, quantity] = own[quantity]
    found: dict[str, dict[str, float]] = {}
    for family in families.values():
        for (identity, quantity), p in holm.adjusted(family).items():
            found.setdefault(identity, {}).update({quantity: p, f"of {quantity}": len(family)})
    return found


def alternatives(claim: Claim, estimates: Mapping[str, Estimate]) -> list[Estimate]:
    """What would stand in our value's place if the statement were wrong.

    Parameters
    ----------
    claim : Claim
        Of a printed number.
    estimates : mapping of str to Estimate
        Those of its chapter, by quantity.

    Returns
    -------
    list of Estimate
        A number among the claim's `alternatives` is taken to be as uncertain as ours.
    """
    others = claim.parameters.get("alternatives", ())
    return [estimates[other] if isinstance(other, str) else moved(estimates[claim.quantity], other) for other in others]


def moved(estimate: Estimate, to: float) -> Estimate:
    """An estimate as uncertain as another one, of another value.

    Parameters
    ----------
    estimate : Estimate
        Whose interval and spread it takes.
    to : float
        Its value.

    Returns
    -------
    Estimate
    """
    shift = to - estimate.value
    return replace(estimate, value=to, low=estimate.low + shift, high=estimate.high + shift)


def _apply(claim: Claim, estimate: Estimate, estimates: Mapping[str, Estimate]) -> str:
    parameters = dict(claim.parameters)
    if "alternatives" in parameters:
        parameters["alternatives"] = alternatives(claim, estimates)
    return RULES[claim.rule](estimate, **parameters)


def _alone(claim: Claim, estimates: Mapping[str, Estimate], ps: Mapping[str, float]) -> Judgement:
    if claim.quantity is None:
        return Judgement(NOT_TESTABLE)
    if claim.quantities() - set(estimates):
        return Judgement(NOT_YET)
    if claim.condition and estimates[claim.condition].low <= 0:
        return Judgement(UNDECIDED, UNDECIDED, UNDECIDED if claim.quantity_text else "", (claim.condition_says,))
    notes: dict[str, None] = {}  # each once, in order
    verdicts = []
    for quantity, joint in ((claim.quantity, claim.joint), (claim.quantity_text, claim.joint_text)):
        if quantity:
            parts = [_apply(claim, estimates[key], estimates) for key in joint if key in estimates]
            verdicts.append(joined([_column(claim, quantity, estimates, ps, notes), *parts]))
    verdict = columns(*verdicts) if len(verdicts) > 1 else verdicts[0]
    if _one([claim.quantity, claim.quantity_text], estimates):
        if verdict == REPRODUCED:
            verdict = PARTLY
            notes["it rests on one network, world or data set"] = None
        elif verdict == NOT_REPRODUCED and claim.kind != CONSTRUCTION:
            notes["not in this one network, world or data set, which does not show that it fails elsewhere"] = None
    code, text = verdicts if len(verdicts) > 1 else (*verdicts, "")
    return Judgement(verdict, code, text, tuple(notes))


def _one(keys: Collection[str | None], estimates: Mapping[str, Estimate]) -> bool:
    return any(estimates[key].units == 1 for key in keys if key)


def _column(
    claim: Claim, key: str, estimates: Mapping[str, Estimate], ps: Mapping[str, float], notes: dict[str, None]
) -> str:
    estimate = estimates[key]
    verdict = _apply(claim, estimate, estimates)
    smallest = claim.parameters.get("smallest")
    if verdict == NOT_REPRODUCED and smallest is not None and claim.rule != "equivalent":
        towards = mirrored(estimate) if claim.rule == "negative" else estimate
        if no_effect(estimate, smallest):
            notes[f"no effect: wholly within ±{smallest:g}"] = None
        elif towards.high > 0:
            notes[f"an effect of {smallest:g} is excluded"] = None
    if verdict == REPRODUCED and claim.rule in CELLS and not claim.parameters.get("alternatives"):
        notes["no wrong answer is named that the number could be told from"] = None
        return UNDECIDED
    if key in ps:
        notes[f"p = {ps[key]:.2g} by Holm over {ps[f'of {key}']} comparisons"] = None
        if verdict == REPRODUCED and ps[key] >= holm.LEVEL:
            return UNDECIDED
    return verdict
