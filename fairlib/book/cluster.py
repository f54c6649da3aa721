"""Runs units on a Dask cluster: looks at what its workers have before, and at what they do meanwhile."""

import asyncio
import platform
import queue
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from fairlib import digest, runtime

try:
    from dask.distributed import Client, Future, KilledWorker, rpc
except ImportError as error:
    raise ValueError(f"FAIRLIB_SCHEDULER is set, but dask.distributed is missing ({error}); run `make`") from error

CONNECT = 10  # seconds for a scheduler to answer, and to have a worker
ANSWER = 120  # seconds for all workers to say what they have, after they imported it
ALONE = 30  # seconds that a cluster may be without any worker before its units are given up

Call = tuple[int, str, dict]  # number, module and arguments of a unit
Outcome = tuple[int, dict | None, str | None]
Asked = Mapping[str, Sequence[str]]  # modules, and the strings by which their units name data files


def has(asked: Asked) -> dict[str, str]:
    """What a number depends on, of the process that calls this.

    Parameters
    ----------
    asked : mapping of str to sequence of str
        Modules, and the strings by which their units name data files.

    Returns
    -------
    dict of str to str
        Versions, and the digest of each module's `run`.
    """
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    found |= {name: runtime.installed(name) for name in ("torch", "numpy")}
    return found | {f"the source of {m.split('.')[-1]}": digest.of(m, "run", strings) for m, strings in asked.items()}


def differs(theirs: dict[str, str] | Exception, ours: dict[str, str]) -> str:
    """In what a worker is another than this process.

    Parameters
    ----------
    theirs : dict of str to str, or Exception
        What the worker `has`, or why it could not say.
    ours : dict of str to str
        What this process has.

    Returns
    -------
    str
        The differences, or "" where it is the same.
    """
    if isinstance(theirs, Exception):
        return f"it lacks what the units need ({type(theirs).__name__}: {theirs})"
    return "; ".join(
        f"{what} is {theirs.get(what)}, here {mine}" for what, mine in ours.items() if theirs.get(what) != mine
    )


@contextmanager
def connected(address: str, asked: Asked) -> Iterator[Client]:
    """A client of a cluster, once all of its workers have what the units need.

    Parameters
    ----------
    address : str
        Of the scheduler, such as `tcp://host:port`.
    asked : mapping of str to sequence of str
        As in `has`.

    Yields
    ------
    dask.distributed.Client

    Raises
    ------
    ValueError
        Where the scheduler does not answer, has no workers, or has one that is not fit.
    """
    try:
        asyncio.run(asyncio.wait_for(_asked(address), CONNECT))  # a client would wait for ever for what is no scheduler
    except (OSError, TypeError, ValueError) as error:
        why = str(error) or f"no word in {CONNECT} seconds"
        raise ValueError(
            f"no Dask scheduler answers at FAIRLIB_SCHEDULER={address} ({why}); start one with `dask scheduler` and "
            "workers with `dask worker`, or unset it to use this machine's cores"
        ) from error
    with Client(address, timeout=CONNECT) as client:
        try:
            client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError as error:
            raise ValueError(
                f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`, or unset "
                "FAIRLIB_SCHEDULER to use this machine's cores"
            ) from error
        try:
            found = client.sync(client.run, has, dict(asked), on_error="return", callback_timeout=ANSWER)
        except TimeoutError as error:
            raise ValueError(
                f"the workers of the Dask scheduler at {address} do not all answer within {ANSWER} seconds; end those "
                "that hang, and start them again"
            ) from error
        ours = has(asked)
        unfit = {worker: problem for worker, theirs in found.items() if (problem := differs(theirs, ours))}
        if unfit:
            lines = "\n  ".join(f"{worker}: {problem}" for worker, problem in sorted(unfit.items()))
            raise ValueError(
                f"{len(unfit)} of {len(found)} workers of the Dask scheduler at {address} cannot do these units:\n"
                f"  {lines}\ngive each worker this checkout's package, data and pinned versions, or end it"
            )
        yield client


async def _asked(address: str) -> None:
    async with rpc(address, timeout=CONNECT) as scheduler:
        await scheduler.identity()


class Work:
    """Units under way on a cluster; iterating gives the outcomes as they come, and None now and then between them.

    Whatever a worker had when it died is under suspicion, also what only waited there: such units run once more in the
    end, each with the cluster to itself, so that none fails for its neighbour.
    """

    def __init__(self, client: Client, work: Callable[..., Outcome], calls: Sequence[Call], asked: Asked) -> None:
        self.client, self.work, self.asked = client, work, asked
        self.ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.remaining: dict[str, tuple[Call, Future]] = {}
        self.submit(calls)

    def submit(self, calls: Sequence[Call]) -> None:
        """Give units to the cluster."""
        batch, futures = uuid.uuid4().hex, []
        for call in calls:
            mine = {call[1]: self.asked[call[1]]}
            key = f"unit-{call[0]}-{batch}"
            future = self.client.submit(fit, self.work, call, mine, has(mine), key=key, pure=False)
            self.remaining[future.key] = call, future
            futures.append(future)
        for future in futures:
            future.add_done_callback(self.ended.put)

    def __iter__(self) -> Iterator[Outcome | None]:
        suspects: list[Call] = []
        for call, come in self.outcomes():
            if call and come is None:
                suspects.append(call)
            else:
                yield come
        for call in suspects:
            self.submit([call])
            yield from (come or died(call) if of else None for of, come in self.outcomes())

    def outcomes(self) -> Iterator[tuple[Call | None, Outcome | None]]:
        """What is submitted with its outcome, none where its worker died; now and then a pair of None."""
        workers, seen = self.threads(), time.monotonic()
        while self.remaining:
            try:
                future = self.ended.get(timeout=1)
            except queue.Empty:
                yield None, None
            else:
                call, _ = self.remaining.pop(future.key)
                come = outcome(call[0], future)
                future.release()  # while it is held, it would be run again when its worker is lost
                yield call, come
            now = self.threads()
            if gone := sorted(workers.keys() - now.keys()):
                print(f"\nlost {', '.join(gone)}; its units are run again on another worker", file=sys.stderr)
            workers = now
            seen = time.monotonic() if now else seen
            if time.monotonic() > seen + ALONE:
                for call, future in self.remaining.values():
                    future.cancel()
                    error = f"the cluster has had no worker for {ALONE} seconds; start some, and run this again"
                    yield call, (call[0], None, error)
                self.remaining.clear()

    def threads(self) -> dict[str, int]:
        """The workers, as the scheduler knows them, and how many threads each has; none where it does not answer."""
        try:
            return self.client.sync(self.client.nthreads, callback_timeout=CONNECT)
        except (OSError, TimeoutError, RuntimeError):
            return {}

    def running(self) -> int:
        """How many of the units the workers are at; none where the scheduler does not answer."""
        threads = self.threads()
        try:
            processing = self.client.sync(self.client.processing, callback_timeout=CONNECT) if threads else {}
        except (OSError, TimeoutError, RuntimeError):
            return 0
        ours = {worker: len(self.remaining.keys() & set(keys)) for worker, keys in processing.items()}
        return sum(min(threads.get(worker, 0), n) for worker, n in ours.items())


def fit(work: Callable[..., Outcome], call: Call, asked: Asked, expected: dict[str, str]) -> Outcome:
    """Work on a worker that came later than the others were looked at: not on one that is not fit."""
    problem = differs(has(asked), expected)
    return (call[0], None, f"its worker is not fit: {problem}") if problem else work(*call)


def outcome(i: int, future: Future) -> Outcome | None:
    """What came of unit i, or why nothing did; none where workers died that had it."""
    if future.status == "finished":
        return future.result()
    if future.status == "cancelled":
        return i, None, "the scheduler lost it; run this again"
    error = future.exception()
    return None if isinstance(error, KilledWorker) else (i, None, f"{type(error).__name__}: {error}")


def died(call: Call) -> Outcome:
    """The outcome of a unit that ended its worker when it had the cluster to itself."""
    return (
        call[0],
        None,
        "KilledWorker: its worker died of it, also with nothing beside it; look for memory that runs out, or a crash",
    )
