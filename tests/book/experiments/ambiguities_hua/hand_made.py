"""Hand-made records of table 1 that the tests of the second paper's choices share."""

from book.experiments.hand_made import write_shard

from fairlib.book.experiments import table1
from fairlib.book.experiments.ambiguities_hua.choices import effects

JUDGED = ("LPIPS", "L2", "saliency")
FACTOR = {"perc_al": 5, "pgd": 2, "ppgd": 8, "lpa": 4, "ours_a=0": 3, "ours_a=1": 6, "ours_a=5": 12}
STEPS = {"pgd": [1, 1, 2, 100], "ours_a=0": [1, 1, 1, 1], "ours_a=1": [1, 2, 3, 4], "ours_a=5": [100, 100, 5, 5]}


def attacked(method: str, values: list[float], *, won: list[int] | None = None, **more) -> list[dict]:
    """A row per image, all right before; distances proportional to `values`, turned where `won` says so."""
    won = [1] * len(values) if won is None else won
    return [
        {"image": i, "right": True, "method": method, "success": bool(w)}
        | {"LPIPS": v, "L2": v / 10, "saliency": v**2}
        | {key: column[i] for key, column in more.items()}
        for i, (v, w) in enumerate(zip(values, won, strict=True))
    ]


def defended(method: str) -> dict[str, list]:
    """Right behind the defences: at every setting of image 0, and of image 1 at the mildest; `ours_a=5` nowhere."""
    mild = {name: [int(s == max(of)) for s in of] for name, of in (("jpeg", table1.QUALITIES), ("bits", table1.BITS))}
    found = {}
    for name, first in mild.items():
        rows = [[1] * len(first), first, [0] * len(first), [0] * len(first)]
        if method == "none":
            rows = [[1] * len(first)] * 2 + [[0] * len(first)] * 2
        found[name] = [[0] * len(first)] * 4 if method == "ours_a=5" else rows
    return found


def table(budget: str = "embedded") -> list[dict]:
    """Four images that are right and one that is wrong; PPGD fails on the last and farthest."""
    wrong = {"image": 4, "right": False, "method": "none"}
    rows = [
        row
        for method, factor in FACTOR.items()
        for row in attacked(
            method,
            [factor * v for v in (1, 2, 3, 4)],
            won=[1, 1, 1, method != "ppgd"],
            backwards=STEPS.get(method, [7] * 4),
            **defended(method),
        )
    ]
    clean = [{"image": i, "right": True, "method": "none"} for i in range(4)]
    return [*rows, *(row | {k: v[i] for k, v in defended("none").items()} for i, row in enumerate(clean)), wrong]


def write_table(rows: list[dict]) -> None:
    """The first five images, and one from the other kind of shard, which the classifier gets wrong."""
    write_shard("table", rows)
    write_shard("stepping", [{"image": 60, "right": False, "method": "none"}])


def found(measure: str) -> dict[tuple[str, str], float]:
    """(variant, outcome) -> value, after a look at the intervals."""
    rows = effects(measure)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    return {(row["variant"], row["outcome"]): row["value"] for row in rows}
