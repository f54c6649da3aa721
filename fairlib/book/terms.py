"""What the ledger calls things: the papers, the chapters that settle their claims, the verdicts. Imports nothing."""

PAPERS = ("pepe", "hua")
CHAPTERS = (
    "training", "fgsm", "centroid_defense", "ablations", "runtime", "stress_tests", "future_work", "ambiguities",
    "ssim_one_step", "perceptual_attack", "table1", "truncation", "compression",
    "bias_metric", "dro_training", "fairer", "trust",
)  # fmt: skip
REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly", "not reproduced"
RELEASED_BUG, NOT_TESTABLE, NOT_YET = "only with the released bug", "not testable here", "not yet run"
VERDICTS = (REPRODUCED, PARTLY, NOT_REPRODUCED, RELEASED_BUG, NOT_TESTABLE, NOT_YET)
