"""The only door to Horovod: work that several ranks do together, each in a Spark task of its own, begun again if one dies.

Horovod 0.28 knows nothing of Keras 3: its optimizer and callbacks fail there. What is used of it: the launcher on Spark, sums
of tensors, and objects that go from rank to rank.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import TextIOBase
from typing import Any, TypeVar

import cloudpickle

from replen.errors import ConfigError, ReplenError
from replen.forecast.ranks import Ranks

T = TypeVar("T")

SHOWN_OF_LOG = 3000
"""Characters of what ranks wrote that an error shows."""


@dataclass(frozen=True)
class HorovodRanks:
    """This process among those that Horovod started."""

    rank: int
    size: int

    def mean(self, tensors: Sequence[Any], *, weight: Any) -> list[Any]:
        """Return each tensor's mean over ranks, weighted by each rank's scalar `weight`; the same bits on every rank."""
        import horovod.tensorflow as hvd

        *sums, total = hvd.grouped_allreduce([*(tensor * weight for tensor in tensors), weight], op=hvd.Sum)
        return [one / total for one in sums]

    def gather(self, value: T) -> list[T]:
        """Return the value of every rank, in their order."""
        import horovod.tensorflow as hvd

        gathered: list[T] = hvd.allgather_object(value, name="gather")
        return gathered

    def first(self, value: T) -> T:
        """Return the value of rank 0; what other ranks give is not looked at."""
        import horovod.tensorflow as hvd

        sent: T = hvd.broadcast_object(value, name="first")
        return sent


def on_ranks(work: Callable[[Ranks], T], *, size: int, attempts: int, shipped: Sequence[str], note: Callable[[str], None]) -> T:
    """Return what `work` gives on rank 0, after all ranks of one attempt came to its end.

    Args:
        work: picklable; called on every rank. It takes up by itself what an attempt before it left.
        size: number of ranks; so many task slots must be free at once.
        attempts: how often it is begun before it fails.
        shipped: names of the package files that Spark brought to its workers, see `spark.submit.pyFiles`.
        note: told when an attempt failed and the next one begins.

    Raises:
        ReplenError: what `work` raised, else that a rank died in every attempt, with the last lines it wrote.
    """
    start = _by_value(cloudpickle.dumps(work), tuple(shipped))
    for attempt in range(1, attempts + 1):
        log = _Tail()
        try:
            results = _launch(start, size, log)
        except ReplenError:
            raise
        except Exception as error:
            problem = f"{size} ranks: {' '.join(str(error).split())}"
            if attempt == attempts:
                raise ReplenError(_given_up(problem, attempts, log)) from None
            note(f"{problem}; attempt {attempt + 1} of {attempts} goes on after the last whole epoch")
        else:
            first: T = _outcome(results)
            return first
    raise AssertionError("attempts is at least 1")


def _by_value(work: bytes, shipped: tuple[str, ...]) -> Callable[[], bytes]:
    """Return what a rank runs: a closure, so that it is pickled whole and nothing of ours is imported before it has run.

    A rank is a process of its own beside Spark's worker and does not share the path on which that finds shipped packages.
    """

    def start() -> bytes:
        folder = os.environ["HOROVOD_SPARK_WORK_DIR"]
        sys.path[:0] = [f"{folder}/{name}" for name in shipped]
        from replen.forecast.distributed import do_on_rank

        return do_on_rank(work)

    return start


def do_on_rank(work: bytes) -> bytes:
    """Return, pickled, what rank 0's work gave, None on other ranks, or the error that it raised for the user."""
    import horovod.tensorflow as hvd

    hvd.init()
    ranks = HorovodRanks(hvd.rank(), hvd.size())
    try:
        outcome = cloudpickle.loads(work)(ranks)
    except ReplenError as error:
        return bytes(cloudpickle.dumps(error))
    except Exception as error:
        if "Horovod" in str(error):  # the others' traces would hide what the rank that died has said
            sys.exit(f"rank {ranks.rank}: another rank is gone")
        raise
    return bytes(cloudpickle.dumps(outcome if ranks.rank == 0 else None))


def _launch(start: Callable[[], bytes], size: int, log: "_Tail") -> list[bytes]:
    """Return what each rank returned."""
    try:
        import horovod.spark
        from horovod.runner.common.util.timeout import TimeoutException
    except ImportError as missing:
        raise ConfigError(
            f"forecast.lstm.ranks: expected 1 without Horovod, found {size} ({missing}); install `replen[horovod]`"
        ) from None
    try:
        with _signals_given_back(), redirect_stderr(log):
            results: list[bytes] = horovod.spark.run(start, num_proc=size, use_gloo=True, stdout=log, stderr=log, verbose=0)
    except TimeoutException as late:
        raise ReplenError(
            f"forecast.lstm.ranks: expected {size} task slots free at once, found fewer until time was out ({late}); use fewer "
            "ranks, give the application more cores, or set HOROVOD_SPARK_START_TIMEOUT (seconds)"
        ) from None
    return results


def _outcome(results: Sequence[bytes]) -> Any:
    """Return rank 0's outcome; raise the error of any rank."""
    outcomes = [cloudpickle.loads(result) for result in results]
    for failure in (outcome for outcome in outcomes if isinstance(outcome, ReplenError)):
        raise failure
    return outcomes[0]


class _Tail(TextIOBase):
    """A stream that keeps the end of what is written to it; it may be written to when nobody looks any more."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Keep the text and drop what came long before it."""
        self.text = (self.text + text)[-SHOWN_OF_LOG:]
        return len(text)


@contextmanager
def _signals_given_back() -> Iterator[None]:
    """Give SIGINT and SIGTERM back, and pass on those that came: Horovod takes both, stops its ranks and keeps silent."""
    owners = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGINT, signal.SIGTERM)}
    came, bell = socket.socketpair()
    with came, bell:
        came.setblocking(False)
        bell.setblocking(False)
        before = signal.set_wakeup_fd(bell.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for number, owner in owners.items():
                signal.signal(number, owner)
            for number in owners.keys() & set(_received(came)):
                signal.raise_signal(number)


def _received(bell: socket.socket) -> bytes:
    try:
        return bell.recv(64)
    except BlockingIOError:
        return b""


def _given_up(problem: str, attempts: int, log: _Tail) -> str:
    return (
        f"forecast.lstm.ranks: expected the ranks to train to the end, found that {attempts} attempts failed, the last one so: "
        f"{problem} Look for processes killed for their memory (spark.executor.memoryOverhead) and for lost executors, or "
        "allow more in spark.training_attempts; the same command goes on after the last whole epoch. What ranks wrote last:\n"
        f"{log.text}"
    )
