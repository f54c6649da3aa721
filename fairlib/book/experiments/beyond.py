"""Beyond one cost and one classifier: what the ledger asks of the chapter `beyond`, from `inert` and `classifiers`."""

from collections.abc import Iterator

from fairlib.book.experiments import classifiers, inert, table1

COSTS = {"root": inert.ROOT, "norm": inert.NORM}
SHORT = {name: name.removeprefix("EfficientNet-") for name in classifiers.WEIGHTS}


def estimates() -> dict[str, dict]:
    """Those of the ledger's quantities (data/claims/README.md) that have records."""
    found = {}
    for part in (_costs, _classifiers):
        try:
            found |= dict(part())
        except FileNotFoundError:
            continue
    if not found:
        raise FileNotFoundError("no records of inert and classifiers; run `make reproduce ONLY=inert/`")
    return found


def _costs() -> Iterator[tuple[str, dict]]:
    for key, cost in COSTS.items():
        for a in inert.CONFIDENCES:
            change = table1.estimate(inert.change(cost, 1.0, a), "inert-cost")
            yield f"{key}/lam=1/a={a}/LPIPS", change | {"record": "results/inert"}


def _classifiers() -> Iterator[tuple[str, dict]]:
    leads = classifiers.leads()
    for row in leads.to_dict("records"):
        if row["classifier"] in SHORT:
            shown = {"record": "results/classifiers", "basis": f"{row['classifier']}, {row['n']} images"}
            key = f"{SHORT[row['classifier']]}/ours_a=0_minus_{row['other']}/LPIPS"
            yield key, table1.estimate(row, "three-classifiers") | shown
