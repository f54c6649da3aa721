"""Records made by hand, for the tests of what the chapters make of theirs."""

import json

from fairlib.book import units
from fairlib.book.experiments import table1


def write(chapter: str, arguments: dict, result: dict) -> None:
    """The record of a unit that some profile has."""
    unit = units.Unit(chapter, arguments)
    assert unit.name in {u.name for profile in ("embedded", "paper") for u in units.of(chapter, profile)}
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    record = {"arguments": unit.arguments, "source": "", "provenance": {}, "result": result}
    unit.path.write_text(json.dumps(record, allow_nan=False))


def write_shard(what: str, rows: list[dict], budget: str = "embedded", cost: str = table1.SUBSTITUTE) -> None:
    """The first record of a kind of unit of table 1."""
    part = table1.SHARDS[budget][what]
    arguments = {"what": what, "budget": budget, "first": part.start, "images": part.step}
    write("table1", arguments, {"cost": cost, "rows": rows})


HEIGHT = {"pgd": 2.0, "ours_a=0": 1.0, "ours_a=1": 3.0, "ours_a=5": 6.0, "perc_al": 4.0, "ppgd": 7.0, "lpa": 5.0}


def made(method: str, image: int, success: bool = True) -> dict:
    """Every column of a method is its height plus a tenth of the image's number."""
    value = HEIGHT[method] + image / 10
    columns = dict.fromkeys((*table1.NORMS, *table1.JUDGES, "saliency"), value)
    return {"image": image, "right": True, "method": method, "success": success, "off_grid": 1e-5} | columns


def write_table1() -> None:
    """Small records of table 1: the table, more images of the attacks that stop early, and the sweep over lambda."""
    table = [made(m, i, success=(m, i) != ("ppgd", 3)) for m in table1.METHODS for i in range(4)]
    table += [{"image": 4, "right": False, "method": "none"}, {"image": 0, "right": True, "method": "none"}]
    stepping = [made(m, 60) for m in table1.STEPPING] + [{"image": 61, "right": False, "method": "none"}]
    sweep = [
        {"image": i, "right": True, "method": "ours_a=0", "lam": lam, "success": (lam, i) != (1.0, 2)}
        | {"LPIPS": 7 - lam / 2 + i, "DISTS": 8 + lam, "steps": 2}
        | {"loss": 5.0 + i, "loss_before": 1.0, "cost": 0.5, "cost_before": 0.25}
        for lam in (0.0, 1.0)
        for i in range(3)
    ]
    write_shard("table", table)
    write_shard("stepping", stepping)
    write_shard("lambda", sweep)
