"""Country tables that several tests fit lines to."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairlib import fairness, geography


def made(seed: int = 0, *, slope: float = 0.02, k: int = 41, images: int = 10_000) -> pd.DataFrame:
    """A table of the simulated world's countries, with a slope."""
    world = geography.shares().iloc[:k]
    n = np.maximum(1, np.round(images * world["share"]))
    rng = np.random.default_rng(seed)
    p = fairness.simulate(world["log_gdp"], n, slope=slope, accuracy=0.85, tau=0.02, worlds=1, rng=rng)[0]
    return pd.DataFrame({"n": n, "accuracy": p, "log_gdp": world["log_gdp"]})


TABLE = made()
tables = st.integers(3, 12).flatmap(
    lambda k: (
        st.tuples(
            # Two that all but agree leave a third with a leverage of 1 but for rounding, of which HC3 makes anything.
            arrays(float, k, elements=st.integers(600, 1_200).map(lambda i: i / 100), unique=True),
            arrays(float, k, elements=st.integers(0, 20).map(lambda i: i / 20)),
            arrays(int, k, elements=st.integers(1, 5_000)),
        )
        .filter(lambda t: np.ptp(t[0]) > 0.1 and np.ptp(t[1]) > 0)
        .map(lambda t: pd.DataFrame({"log_gdp": t[0], "accuracy": t[1], "n": t[2]}))
    )
)
