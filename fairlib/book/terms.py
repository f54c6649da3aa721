"""What the ledger calls things: the papers, the chapters that settle their claims, the verdicts, the kinds of claims.

Imports nothing.
"""

PAPERS = ("pepe", "hua")
CHAPTERS = (
    "training", "fgsm", "centroid_defense", "ablations", "runtime", "stress_tests", "future_work", "ambiguities",
    "ssim_one_step", "perceptual_attack", "table1", "truncation", "beyond", "compression",
    "bias_metric", "dro_training", "fairer", "trust",
)  # fmt: skip
REPRODUCED, PARTLY, NOT_REPRODUCED, UNDECIDED = "reproduced", "partly", "not reproduced", "undecided"
CODE_ONLY, TEXT_ONLY = "only with the released code", "only as the text says"
NOT_TESTABLE, NOT_YET = "not testable here", "not yet run"
VERDICTS = (REPRODUCED, PARTLY, NOT_REPRODUCED, UNDECIDED, CODE_ONLY, TEXT_ONLY, NOT_TESTABLE, NOT_YET)
CLAIM, CONSTRUCTION, BUILT_WORLD, BOOK, FUTURE_WORK = "claim", "construction", "built world", "book", "future work"
ARITHMETIC = "arithmetic"
KINDS = (CLAIM, CONSTRUCTION, ARITHMETIC, BUILT_WORLD, BOOK, FUTURE_WORK)
