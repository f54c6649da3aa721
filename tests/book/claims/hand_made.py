"""Estimates made by hand, and the verdict that they lead to."""

from hypothesis import strategies as st

from fairlib.book import claims
from fairlib.book.claims import Estimate

CELL = "FullyConnected/MNIST/defended/eps=0.1"  # printed: 0.42 of 150 images
OTHERS = (
    CELL.replace("MNIST", "FashionMNIST"),
    CELL.replace("FullyConnected", "LeNet5"),
)  # wrong data set, wrong network


def at(value: float, low: float | None = None, high: float | None = None, **other) -> Estimate:
    low, high = (value if end is None else end for end in (low, high))
    return Estimate(value=value, low=low, high=high, anchor="cell", **other)


# sd 0.02 over 10 trainings, 150 images:
# hypot(2.26216 * 0.02 * sqrt(1.1), 1.95996 * sqrt(0.2464 / 150)) + 0.005 = 0.0975.
TEN = at(0.44, 0.43, 0.45, sd=0.02, seeds=10)
WIDE = at(0.44, 0.30, 0.58, sd=0.1, seeds=10)  # hypot(2.26216 * 0.1 * sqrt(1.1), 0.07944) + 0.005 = 0.2551
# sd 0.001 over 10 trainings, 10,000 images:
# hypot(2.26216 * 0.001 * sqrt(1.1), 1.95996 * sqrt(0.2464 / 10000)) + 0.005 = 0.0150.
SHARP = at(0.44, 0.43, 0.45, sd=0.001, seeds=10)
# One training, [0.43, 0.46], 150 images: upwards hypot(0.02, 1.95996 * sqrt(0.2464 / 150)) + 0.005 = 0.0869,
# downwards hypot(0.01, 0.07944) + 0.005 = 0.0851.
ONE = at(0.44, 0.43, 0.46)


# Estimates between 0 and 1, of one training and of several.
ACCURACY = st.floats(0, 1)


ESTIMATES = st.one_of(
    st.builds(lambda a, b, c: at(sorted((a, b, c))[1], min(a, b, c), max(a, b, c)), ACCURACY, ACCURACY, ACCURACY),
    st.builds(lambda a, sd, m: at(a, sd=sd, seeds=m), ACCURACY, st.floats(0, 0.2), st.integers(2, 20)),
)


def verdict(identity: str) -> str:
    return claims.ledger().set_index("id").loc[identity, "verdict"]
