"""Effects on the tests of fairness and on training, by hand on small invented records."""

import numpy as np
import pandas as pd
import pytest
from book.experiments.ambiguities_hua.hand_made import found

from fairlib.book import claims
from fairlib.book.experiments import bias_metric, dro_training, fairer, trust
from fairlib.book.experiments.ambiguities_hua.choices import effects
from fairlib.book.experiments.ambiguities_hua.kinds import Missing


def test_section_4(house, monkeypatch):
    sizes = pd.DataFrame({"rejected": [50, 200], "worlds": [1_000, 1_000]}, index=["gls", "wls"])
    steps = [
        {"scaling": scaling, "alpha": a, "run": i, "accuracy": None if a == 0.1 and not i else 0.8 + shift + i / 100}
        for scaling, a, shift in (
            ("normalised", 0.001, -0.1), ("normalised", 0.01, 0.0), ("normalised", 0.1, 0.05),
            ("sampling only", 0.01, 0.02),
        )
        for i in range(3)
    ]  # fmt: skip
    arms = {"pgd": [[3, 5], [6]], "pgd, rounded at the end": [[8], [10]], "ours": [[2], [4]]}
    arms["ours, rounded at the end"] = arms["ours"]
    monkeypatch.setattr(trust, "sizes", lambda: sizes)
    monkeypatch.setattr(dro_training, "recorded", {"steps": pd.DataFrame(steps)}.get)
    monkeypatch.setattr(fairer, "ALPHA", 0.01)
    monkeypatch.setattr(fairer, "slopes", lambda: arms)
    monkeypatch.setattr(fairer, "by_set", lambda slopes, arm: [np.array(one) for one in slopes[arm]])
    assert found("weights")["weights n in place of sqrt(n)", "rejected fair worlds"] == pytest.approx(0.15)
    assert found("scaling")["P samples only", "accuracy"] == pytest.approx(0.02)
    assert [*found("alpha").values()] == pytest.approx([-0.1, 0.05])  # the run that diverged has no partner
    assert [*found("attack_in_training").values()] == pytest.approx([4, 0])
    arms["ours"] = [[2]]
    with pytest.raises(Missing, match="no two data sets of ours"):
        effects("attack_in_training")
    key = "ttest/size/same_attack"
    n = np.array([10.0, 100, 1_000])
    q = np.array([0.5, 0.7, 0.9])
    worlds = {i: pd.DataFrame({"mean_n": n, "expected": q, "sd": np.sqrt(q * (1 - q) / n) * i}) for i in (1, 2)}
    monkeypatch.setattr(bias_metric, "tables", lambda: worlds)
    assert [*found("exponent").values()] == pytest.approx([-0.5])  # by the formula for images drawn alone
    with pytest.raises(Missing, match=f"trust has not recorded {key}"):
        effects(f"trust:{key}")
    claims.record("trust", {key: claims.Estimate(0.3, 0.2, 0.5, "same-attack-two-seeds")}, {})
    assert [*found(f"trust:{key}").values()] == [0.3]
