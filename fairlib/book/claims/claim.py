"""The claims of both papers as `data/claims/<paper>.toml` has them, read and checked."""

import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

from fairlib import checks, files
from fairlib.book.claims.rules import RULES, SIGNS
from fairlib.book.terms import CHAPTERS, CLAIM, KINDS, PAPERS

TEXT = "text/"  # begins the keys of estimates that a chapter has by the text as well as by the code


@dataclass(frozen=True)
class Claim:
    """One claim of a paper: where it stands, what it says in our words, and how it is decided.

    `quantity`: key of the deciding estimate among those of `chapter` (None: not testable), as the released code has it
    where it differs from the text; then `quantity_text` is the text's. `kind`: one of `KINDS`. `family`: shared by rows
    that state one thing in several cells; its own id where it has none. `holm`: the family's comparisons decide one
    statement. `condition`: key of an estimate that must lie above 0, else `condition_says` why nothing is decided.
    `joint`: ids of claims, or keys of quantities for the same rule, that must hold too. `smallest_why`: where the
    smallest effect is not its unit's. `cause`: `chapter#anchor` of the section that explains a failure. `setting`: what
    stands in for the paper's own setting here. `parameters`: those of the rule.
    """

    id: str
    paper: str
    place: str
    says: str
    chapter: str
    rule: str
    quantity: str | None = None
    quantity_text: str | None = None
    kind: str = CLAIM
    family: str = ""
    holm: bool = False
    condition: str | None = None
    condition_says: str | None = None
    joint: tuple[str, ...] = ()
    smallest_why: str | None = None
    cause: str | None = None
    setting: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def joint_text(self) -> tuple[str, ...]:
        """What must hold too in the text's column: `joint`, as the text has it where `quantity_text` is `text/...`."""
        text = self.quantity_text is not None and self.quantity_text.startswith(TEXT)
        return tuple(key if _is_id(key) or not text else f"{TEXT}{key}" for key in self.joint)

    def quantities(self) -> set[str]:
        """The keys of all estimates that this claim asks for.

        Returns
        -------
        set of str
            Its quantities, its alternatives, its condition, and what is joined and no claim's id.
        """
        others = (*self.parameters.get("alternatives", ()), *self.joint, *self.joint_text)
        keys = {self.quantity, self.quantity_text, self.condition, *(o for o in others if isinstance(o, str))}
        return {key for key in keys if key and not _is_id(key)}


def _is_id(key: str) -> bool:
    return key.startswith(tuple(f"{paper}-" for paper in PAPERS))


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
        For an unknown paper, and for a file with a duplicate id, an unknown rule, chapter, kind, cause or field, or a
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
    for claim in claims.values():
        for other in filter(_is_id, claim.joint):
            if other not in claims or claims[other].paper != claim.paper:
                raise ValueError(
                    f"claim {claim.id!r} is joined with {other!r}, which is no claim of {claim.paper}.toml"
                )
    return list(claims.values())


def asked(chapter: str) -> set[str]:
    """The quantities that the claims of a chapter, and the book's headlines, ask for.

    Parameters
    ----------
    chapter : str
        One of `CHAPTERS`.

    Returns
    -------
    set of str
        Their keys.

    Raises
    ------
    ValueError
        For an unknown chapter, and what `load` refuses.
    """
    checks.one_of(chapter, CHAPTERS, "chapter")
    headlines = {row.get("quantity", name) for name, row in _toml("headlines").get(chapter, {}).items()}
    return headlines | {key for claim in load() if claim.chapter == chapter for key in claim.quantities()}


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
    for f in ({"id", "place", "says", "chapter", "rule"} | set(known)) - {"holm", "joint"}:
        if not isinstance(known.get(f), str) or not known[f]:
            raise ValueError(f"{name} has {f} = {known.get(f)!r}, expected a text; see the head of the file")
    checks.one_of(known["rule"], tuple(RULES), f"rule of {name}")
    checks.one_of(known["chapter"], CHAPTERS, f"chapter of {name}")
    checks.one_of(known.get("kind", CLAIM), KINDS, f"kind of {name}")
    if ("quantity" in known) == (known["rule"] == "not_testable"):
        raise ValueError(f"{name}: not_testable takes no quantity, every other rule needs one")
    if ("condition" in known) != ("condition_says" in known):
        raise ValueError(f"{name}: condition and condition_says go together")
    if not isinstance(known.get("holm", False), bool):
        raise ValueError(f"{name} has holm = {known['holm']!r}, expected true or false")
    if known.get("holm") and not (known["rule"] in SIGNS and known.get("family")):
        raise ValueError(f"{name}: holm is for the rules {', '.join(SIGNS)}, and within a family")
    known["joint"] = tuple(_texts(known.get("joint", []), f"joint of {name}"))
    parameters = {key: value for key, value in row.items() if key not in known}
    _check_parameters(known["rule"], parameters, name)
    return Claim(**known | {"family": known.get("family", known["id"])}, paper=paper, parameters=parameters)


def _texts(values: object, name: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{name} is {values!r}, expected a list of texts")
    return values


def _check_parameters(rule: str, parameters: Mapping[str, object], name: str) -> None:
    _, *asked = inspect.signature(RULES[rule]).parameters.values()
    missing = [p.name for p in asked if p.default is p.empty and p.name not in parameters]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}, which the rule {rule} needs")
    kinds = {p.name: p.annotation for p in asked}
    for key, value in parameters.items():
        if key not in kinds:
            raise ValueError(f"{name} has {key!r}, which is no field and no parameter of the rule {rule}")
        if key == "alternatives":
            if not isinstance(value, list) or not all(_alternative(other) for other in value):
                raise ValueError(f"{key} of {name} is {value!r}, expected a list of quantities and exact numbers")
        elif not isinstance(value, kinds[key]):
            raise ValueError(f"{key} of {name} is {value!r}, expected {kinds[key]}")


def _alternative(value: object) -> bool:
    return isinstance(value, str | Real) and not isinstance(value, bool) and value != ""
