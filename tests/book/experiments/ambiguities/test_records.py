"""Effects and estimates from records made by hand."""

import pytest
from book.experiments.hand_made import write

from fairlib.book import claims
from fairlib.book.experiments import ambiguities
from fairlib.book.experiments.ambiguities import EPS, METHODS, PAIRS


def test_effects_and_estimates_from_hand_made_records(house):
    """Seed s is right on 10 s images more, whatever the variant, so that paired differences have no spread."""
    for network, name in PAIRS:
        rows = []
        for s in range(10):
            for i, variant in enumerate(
                ["plain", "taps=paper", "loose_rule=top3", "weights=early", "weights=early, rounded", "ties=closest"]
            ):
                base = 500 + 10 * s + 50 * i
                lists = {"defenseless": [900] * 3, "defended": [base] * 3, "loose": [base, base + 4, base]}
                rows.append({"seed": s, "variant": variant, "by_class": [[s, 0]] * 3, "of_class": [10, 20]} | lists)
        write("ambiguities", {"what": "switches", "network": network, "dataset": name, "images": 2_000}, {"rows": rows})
        seeds = [
            {"seed": s, "eps": e, "method": m, "right": 6_000 + s, "n": 10_000}
            for s in range(10)
            for e in (0.0, 0.1, 0.15, 0.2)
            for m in METHODS
        ]
        write("seeds", {"what": "trainings", "network": network, "dataset": name, "first": 0}, {"rows": seeds})
        draws = [
            {"centroids": c, "alpha": "published", "right": [4_000 + k] * 3}
            for k, c in enumerate(["first", *map(str, range(10))])
        ]
        write("future_work", {"what": "draws", "network": network, "dataset": name, "images": 10_000}, {"rows": draws})
        steps = [
            {"seed": s, "gradient": g} | {m: [700, 300 + k + s, 9, 0, 0, 0] for m in METHODS}
            for s in range(10)
            for g, k in (("naive", 40), ("exact", 0))
        ]
        write("fgsm", {"what": "trainings", "network": network, "dataset": name, "images": 10_000}, {"rows": steps})
    rows = [{"seed": s, "variant": "one pool"} | {m: [6_100 + s] * 3 for m in METHODS} for s in range(3)]
    arguments = {"what": "one pool", "network": "LeNet5", "dataset": "MNIST", "images": 10_000}
    write("ambiguities", arguments, {"rows": rows})

    found = ambiguities.effects().set_index(["variant", "network", "dataset", "method", "eps"]).sort_index()
    paper = found.loc["taps=paper", "LeNet5", "MNIST", "defended", 0.1]
    assert paper[["value", "low", "high"]].tolist() == pytest.approx([0.025] * 3)
    rounded = found.loc["weights=early, rounded", "LeNet5", "MNIST", "defended", 0.2]
    assert rounded["value"] == pytest.approx(0.025)  # against the weights that are not rounded
    assert found.loc["one pool", "LeNet5", "MNIST", "loose", 0.0]["value"] == pytest.approx(0.01)
    assert found.loc["one pool", "LeNet5", "MNIST", "loose", 0.0]["seeds"] == 3
    drawn = found.loc["random centroids", "FullyConnected", "MNIST", "defended", 0.1]
    assert drawn["value"] == pytest.approx(5.5e-4)
    rounded = found.loc["float32 gradient", "LeNet5", "FashionMNIST", "loose", 0.1]
    assert rounded[["value", "low", "high"]].tolist() == pytest.approx([0.004] * 3)
    assert found.loc["float32 gradient"].index.unique("eps").tolist() == list(EPS)
    gain = found.loc["ties=closest", "LeNet5", "MNIST", "gain", 0.2]  # the undefended network is the same
    assert gain[["value", "low", "high"]].tolist() == pytest.approx([0.125] * 3)
    both = found.loc["float32 gradient", "LeNet5", "FashionMNIST", "gain", 0.1]  # and loses as much as the defended
    assert both[["value", "low", "high"]].tolist() == pytest.approx([0] * 3, abs=1e-12)
    one = found.loc["one pool", "LeNet5", "MNIST"]
    assert one.loc[("gain", 0.0), "value"] == pytest.approx(
        one.loc[("defended", 0.0), "value"] - one.loc[("defenseless", 0.0), "value"]
    )
    assert found.loc["random centroids", "FullyConnected", "MNIST", "gain", 0.1]["value"] == pytest.approx(5.5e-4)
    assert "plain" not in found.index.unique("variant")
    recall = ambiguities.recall().loc["LeNet5", "plain"]
    assert recall[0.1][0].tolist() == pytest.approx([s / 10 for s in range(10)])

    estimates = ambiguities.estimates()
    asked = claims.asked("ambiguities")
    assert set(estimates) == asked
    assert all(claims.Estimate(**estimate) for estimate in estimates.values())
    values = {key: estimate["value"] for key, estimate in estimates.items()}
    assert values["LeNet5/MNIST/ties=closest/change/eps=0.1"] == pytest.approx(250 / 2_000)
    assert values["LeNet5/MNIST/ties=closest/gap_left/eps=0"] == pytest.approx((900 - 795) / (900 - 545))
    assert values["chance/text"] == pytest.approx(0.1)
    assert values["LeNet5/fully_connected_among_first_two"] == 0
    assert values["LeNet5/pools"] == 2
    assert values["centroids/MNIST/right_label"] == 10
    assert values["centroids/FashionMNIST/right_label"] == 8
    assert values["FullyConnected/MNIST/loose/released/eps=0.1"] == pytest.approx((549) / 2_000)
    assert values["FullyConnected/MNIST/loose/top3/eps=0.1"] == pytest.approx((649) / 2_000)
