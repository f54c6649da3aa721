"""What is said while units run."""

import io

from fairlib.book import runner


def test_status_without_a_terminal_is_short(log, capsys):
    (log / "break-2").touch()
    runner.reproduce("embedded", jobs=1)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "0 of 6 done, 1 running, 0 failed, time left unknown"
    assert last == "5 of 6 done, 0 running, 1 failed, about 0.0 min left"


def test_status_in_a_terminal_is_one_line(log, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    runner.reproduce("embedded", jobs=1)
    assert screen.getvalue().count("\n") == 1
    assert [line[:11] for line in screen.getvalue().split("\r")[1:]] == [f"{n} of 6 done" for n in range(7)]
