"""What the ledger's search takes for the same: words of newcomers and of the chapters, beside those of the claims."""

# What is asked for, and what of it a claim may hold; each is compared with the beginnings of the claim's words.
SAME: dict[tuple[str, ...], tuple[str, ...]] = {
    ("gdp", "wealth", "income", "rich", "poor", "rich countries", "poor countries"): (
        "gdp", "wealth", "income", "rich", "poor", "countr", "slope",
    ),
    ("epsilon", "budget", "attack strength", "size of the attack"): ("eps", "budget"),
    ("noise", "gaussian", "gaussian noise"): ("noise", "gaussian"),
    ("blur", "low resolution"): ("resolution",),
    ("clothes", "clothing"): ("fashion",),
    ("cnn", "convolutional network"): ("lenet", "cnn", "convolution"),
    ("mlp", "plain net", "dense network", "fully connected"): ("fully-connected", "fc"),
    ("vit", "vision transformer"): ("transformer",),
    ("no defence", "without defence", "undefended"): ("undefended", "defenseless"),
    ("defence", "defense"): ("defen", "centroid"),
    ("exemplar", "prototype", "labelled example"): ("centroid",),
    ("alpha", "threshold", "thresholds"): ("alpha", "threshold"),
    ("adaptive", "white box", "attacker who knows"): ("white-box", "attacker"),
    ("fast gradient sign method", "fast gradient", "gradient sign"): ("fgsm",),
    ("new attack", "perceptual attack"): ("ours", "algorithm 1"),
    ("older attacks", "rivals"): ("perc-al", "pgd", "ppgd", "lpa"),
    ("invisible", "visible", "imperceptible", "human", "eyes"): ("imperceptible", "perceptible", "perceive", "people"),
    ("visual distance", "perceptual distance"): ("lpips", "dists", "pieapp", "ssim"),
    ("jpeg", "compression"): ("jpeg", "compress"),
    ("rounding", "quantisation", "quantization"): ("round", "truncat"),
    ("bias", "unfair", "fairness"): ("bias", "fair", "slope"),
    ("significant", "significance", "p-value"): ("f-test", "t-test", "significan"),
    ("worst case", "robust training", "adversarial data set"): ("dro", "drob", "worst", "algorithm 2"),
    ("speed", "runtime", "running time"): ("runtime", "time", "speed"),
}  # fmt: skip


def same() -> list[tuple[str, tuple[str, ...]]]:
    """The table as the page's script works it off.

    Returns
    -------
    list of tuple of str and tuple of str
        What is asked for, the longest first, and what of it a claim may hold.
    """
    pairs = [(asked, found) for words, found in SAME.items() for asked in words]
    return sorted(pairs, key=lambda pair: -len(pair[0]))
