"""Work on a database, begun again where what stopped it may pass."""

import time
from collections.abc import Callable
from typing import TypeVar

from replen.errors import PassingError

T = TypeVar("T")


def patiently(work: Callable[[], T], *, attempts: int, note: Callable[[str], None]) -> T:
    """Return what the work gave, begun again after 1, 2, 4, ... seconds where its failure may pass.

    Args:
        work: done whole or not at all, and safe to do twice: a commit whose answer was lost is done again.
        attempts: in all, >= 1; the last failure is raised.
        note: is told of each failure before.
    """
    for number in range(attempts - 1):
        try:
            return work()
        except PassingError as error:
            seconds = 2.0**number
            note(f"{error}; again in {seconds:.0f} s, attempt {number + 2} of {attempts}")
            time.sleep(seconds)
    return work()
