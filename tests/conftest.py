"""What several tests share: the site, built once."""

from pathlib import Path

import pytest

from tools import site as builder


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the site, built as `make html` builds it; a warning is an error."""
    return builder.build().parent
