"""What a command that works off units says meanwhile, and how it ends."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor

SECONDS_BETWEEN_LINES = 20  # of status, where there is no terminal
Outcome = tuple[int, dict | None, str | None]  # a unit's number, and its record or what went wrong


def watched(outcomes: Iterable[Outcome | None], total: int, running: Callable[[int], int]) -> Iterator[Outcome]:
    """Pass outcomes on and keep a line about them: rewritten in a terminal, elsewhere repeated now and then.

    Parameters
    ----------
    outcomes : iterable of Outcome or None
        None among them is a moment to look at the line.
    total : int
        How many there will be.
    running : callable
        How many units are running, of so many that are left.

    Yields
    ------
    Outcome
    """
    terminal = sys.stderr.isatty()
    started = last_line = time.monotonic()
    done = failed = 0

    def show() -> None:
        elapsed, ended = time.monotonic() - started, done + failed
        left = f"about {(total - ended) * elapsed / ended / 60:.1f} min left" if ended else "time left unknown"
        line = f"{done} of {total} done, {running(total - ended)} running, {failed} failed, {left}"
        print(f"\r{line:<75}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    show()
    for outcome in outcomes:
        if outcome is not None:
            failed += outcome[1] is None
            done += outcome[1] is not None
            yield outcome
        if terminal or time.monotonic() > last_line + SECONDS_BETWEEN_LINES or done + failed == total:
            last_line = time.monotonic()
            show()
    if terminal:
        print(file=sys.stderr)


def exit_status(name: str, command: Callable[[], bool]) -> int:
    """Run a command, and say what its process ends with.

    Parameters
    ----------
    name : str
        What the command is called in its errors.
    command : callable
        Returns whether all went well.

    Returns
    -------
    int
        0 or 1 as the command returns True or False; 1, too, where a worker process of this machine dies, for example
        for want of memory; 2 for bad input; 130 when interrupted.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the workers end too
    try:
        return 0 if command() else 1
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenExecutor as error:
        print(f"\n{name}: a worker process died, what was finished is kept: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
