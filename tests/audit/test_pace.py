"""The log of an audit: a line a minute."""

from pathlib import Path

import pytest
from audited import run

from fairlib.audit.pace import Pace, duration


def test_a_line_a_minute(tmp_path):
    now = [0.0]
    pace = Pace(tmp_path / "log", 1_000, 100, clock=lambda: now[0])
    for _ in range(90):
        now[0] += 10
        pace.advance(10)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 1 + 900 // 60
    assert lines[0].endswith("1,000 images, 100 of them done before")
    assert lines[1].endswith("160 of 1,000 images, 1.0 a second, 14 min 00 s remaining")
    assert lines[-1].endswith("1,000 of 1,000 images, 1.0 a second, 0 s remaining")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3_960, "1 h 06 min")]
)
def test_times_in_words(seconds, words):
    assert duration(seconds) == words


def test_an_audit_has_a_log(house):
    run()
    lines = Path("report.log").read_text().splitlines()
    assert "43 images, 0 of them done before" in lines[0] and "43 of 43 images" in lines[-1]
