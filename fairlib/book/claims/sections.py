"""Which section of its paper a claim stands in: what the ledger's folds are called, and their order."""

import re

import pandas as pd

HEADS = re.compile(r"abstract|acknowledgements|appendix (?P<appendix>[a-z])|sections? (?P<number>\d(?:\.\d)?)", re.I)
SHOWN = re.compile(r"(?P<what>table|figure)s? (?P<number>\d)", re.I)
# Where what a place names without its section is printed.
HOMES = {
    "pepe": {"figure 1": "section 2", "proposition 1": "section 4.2"},
    "hua": {
        "figure 1": "section 1", "equations 2": "section 3", "algorithm 1": "section 3", "figure 2": "section 3.1",
        "table 1": "section 3.2", "figure 3": "section 3.2", "figure 4": "section 3.2", "algorithms 2": "section 4.2",
        "figure 5": "section 4.3", "figures 1": "section 1",
    },
}  # fmt: skip


def section(paper: str, place: str) -> str:
    """The section that a place is in.

    Parameters
    ----------
    paper : str
        `pepe` or `hua`.
    place : str
        As the ledger has it: "Section 3.2.1; appendix A", "Table 1, caption". What it names first counts.

    Returns
    -------
    str
        As "Section 3.2, table 1"; the place itself where nothing of the kind is in it.
    """
    first, *_ = place.split(";")
    home = next((home for name, home in HOMES[paper].items() if first.lower().startswith(name)), "")
    head = HEADS.search(home or first)
    if not head:
        return place
    if head["number"]:
        name = f"Section {head['number']}"
    else:
        name = f"Appendix {head['appendix'].upper()}" if head["appendix"] else head.group().capitalize()
    shown = SHOWN.search(first)
    return f"{name}, {shown['what'].lower()} {shown['number']}" if shown else name


def order(name: str) -> tuple[int, list[float], str]:
    """By what sections are sorted: the abstract, the numbered ones, the appendices, what is thanked.

    Parameters
    ----------
    name : str
        Of `section`.

    Returns
    -------
    tuple
        To be compared with others of the same paper.
    """
    kinds = ("abstract", "section", "appendix", "acknowledgements")
    kind = next((i for i, kind in enumerate(kinds) if name.lower().startswith(kind)), len(kinds))
    head, _, shown = name.partition(", ")
    return kind, [float(n) for n in re.findall(r"\d+(?:\.\d)?", head)], f"{head} {shown}"


def by_section(frame: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of a ledger by paper and section.

    Parameters
    ----------
    frame : pandas.DataFrame
        A `ledger`.

    Returns
    -------
    dict of tuple of str to pandas.DataFrame
        In the papers' order.
    """
    names = [section(paper, place) for paper, place in zip(frame["paper"], frame["place"], strict=True)]
    parts = {
        key: rows for key, rows in frame.groupby([frame["paper"], pd.Series(names, index=frame.index)], sort=False)
    }
    papers = list(dict.fromkeys(frame["paper"]))
    return {key: parts[key] for key in sorted(parts, key=lambda key: (papers.index(key[0]), order(key[1])))}
