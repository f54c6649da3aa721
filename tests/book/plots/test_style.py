"""No figure without words."""

import pandas as pd
import pytest

from fairlib.book import plots


def test_a_figure_without_words_is_refused():
    figure, _ = plots.dots(pd.DataFrame([{"label": "a", "series": "s", "value": 0, "low": 0, "high": 0}]), "x")
    with pytest.raises(ValueError, match="alt is empty, expected a sentence"):
        plots.show(figure, " ")
