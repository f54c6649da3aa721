"""How fast an audit goes: a line a minute in a file, for runs that nobody watches."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

EVERY = 60.0  # seconds from line to line


class Pace:
    """Writes how many images are done, how many a second, and how long the others will take.

    Parameters
    ----------
    path : pathlib.Path
        The file, which lines are appended to.
    images : int
        How many there are to do.
    done : int
        How many were done before.
    clock : callable
        Returns seconds that only rise.
    """

    def __init__(self, path: Path, images: int, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.images, self.before, self.done = path, images, done, done
        self.clock = clock
        self.started = self.written = clock()
        self.say(f"{images:,} images, {done:,} of them done before")

    def advance(self, images: int) -> None:
        """Count images that are done; once a minute, and after the last one, a line is written.

        Parameters
        ----------
        images : int
            Done since the last call.
        """
        self.done += images
        now = self.clock()
        if now - self.written >= EVERY or self.done == self.images:
            self.written = now
            rate = (self.done - self.before) / max(now - self.started, 1e-9)
            remaining = duration((self.images - self.done) / rate) if rate else "?"
            self.say(f"{self.done:,} of {self.images:,} images, {rate:.1f} a second, {remaining} remaining")

    def say(self, message: str) -> None:
        """Append a line with the time.

        Parameters
        ----------
        message : str
            The line.
        """
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z  {message}\n")


def duration(seconds: float) -> str:
    """Put a time into words.

    Parameters
    ----------
    seconds : float
        0 or more.

    Returns
    -------
    str
        Such as `1 h 06 min`, `3 min 20 s` or `12 s`.
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
