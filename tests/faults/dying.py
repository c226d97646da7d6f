"""Entry of spark-submit: a job whose grouped stages each kill an executor once, with all it has in memory and on disk.

spark-submit dying.py JOB MARKERS EVERY ARGUMENTS: one of EVERY stages of the program JOB kills, and leaves a file of its number
in the folder MARKERS.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from runpy import run_path
from typing import Any

import pandas as pd

from replen.spark import buckets

undisturbed, numbers = {name: getattr(buckets, name) for name in ("per_bucket", "per_batch", "per_range")}, count()


class Deadly:
    """A function of a grouped stage whose first call ends the executor that it runs on."""

    def __init__(self, function: Callable[[pd.DataFrame], pd.DataFrame], marker: Path) -> None:
        """Keep the function, and where it is noted that it has killed."""
        self.function, self.marker = function, marker

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what the function gives, if this is not its first call."""
        import psutil

        try:
            self.marker.touch(exist_ok=False)
        except FileExistsError:
            return self.function(rows)
        executor = next(one for one in psutil.Process().parents() if one.name() == "java")
        executor.kill()
        os._exit(1)


def deadly(name: str, rows: Any, function: Any, *rest: Any, **options: Any) -> Any:
    """Stand for a function of `buckets`."""
    number = next(numbers)
    chosen = function if number % every else Deadly(function, markers / str(number))
    return undisturbed[name](rows, chosen, *rest, **options)


if __name__ == "__main__":
    job, markers, every = sys.argv.pop(1), Path(sys.argv.pop(1)), int(sys.argv.pop(1))
    for door in undisturbed:  # before any job takes it from there
        setattr(buckets, door, partial(deadly, door))
    run_path(job, run_name="__main__")
