"""What choices change about the attacks on digits. Second paper, section 3.1."""

from collections.abc import Callable

import pandas as pd

from fairlib.book import runner
from fairlib.book.experiments import ssim_one_step
from fairlib.book.experiments.ambiguities_hua.kinds import NAMES, Rows, share, unpaired


def ssim_windows() -> Rows:
    """Digits that the step with SSIM's own windows turns, minus those that the step with mirrored ones turns."""
    return [
        share(
            f"windows inside, {NAMES[network]}", "digits turned", unpaired(rows["ssim, inside", at], rows["ssim", at])
        )
        for network, rows in digits().items()
        for at in (ssim_one_step.FIGURE_L2,)
    ]


def ssim_length() -> Rows:
    """Digits turned by the SSIM step of other lengths, or on the other network, minus those by the one of figure 2."""
    at, rows = ssim_one_step.FIGURE_L2, digits()
    found = [
        share(f"L2 of {L2:g}, {NAMES[network]}", "digits turned", unpaired(own["ssim", L2], own["ssim", at]))
        for network, own in rows.items()
        for L2 in (at / 2, 2 * at)
    ]
    first, second = ssim_one_step.NETWORKS
    other = unpaired(rows[second]["ssim", at], rows[first]["ssim", at])
    return [*found, share(f"{NAMES[second]} in place of {NAMES[first]}", "digits turned", other)]


def digits() -> dict[str, dict[tuple[str, float], pd.Series]]:
    """The rows of `ssim_one_step` by network, then attack and L2. FileNotFoundError unless both networks have any."""
    rows = runner.results("ssim_one_step")
    found = {
        n: {(r["attack"], r["L2"]): r for _, r in rows[rows["network"] == n].iterrows()} for n in ssim_one_step.NETWORKS
    }
    if not all(found.values()):
        raise FileNotFoundError("a network of ssim_one_step has no record; run `make reproduce ONLY=ssim_one_step/`")
    return found


EFFECTS: dict[str, Callable[[], Rows]] = {"ssim_windows": ssim_windows, "ssim_length": ssim_length}
