"""Errors of the world, told as what they are: those that workers raised, and those of disks, clusters and stores."""

import re

from pyspark.errors import PySparkException

from replen import errors
from replen.errors import ReplenError, StoppedError

# A worker's traceback ends with the error, qualified by its module; the JVM puts its own lines after it.
RAISED = re.compile(r"^replen\.errors\.(\w+): (.*?)(?=\n\s*\n|\n\s+at |\Z)", re.MULTILINE | re.DOTALL)

OUTSIDE = ("_internal", "deltalake", "mlflow", "py4j", "pyspark", "sqlalchemy")
CAUSE = re.compile(r"^Caused by: (?:[\w.$]+: )*(.+)$", re.MULTILINE)


def told_by_worker(error: BaseException) -> ReplenError | None:
    r"""Return the project's error that a worker raised, None where Spark failed in another way.

    >>> from pyspark.errors import PythonException
    >>> told_by_worker(PythonException("Traceback ...\nreplen.errors.PlanError: costs: too low\n\n\tat org.apache"))
    PlanError('costs: too low')
    """
    found = RAISED.search(str(error)) if isinstance(error, PySparkException) else None
    kind = getattr(errors, found.group(1), None) if found else None
    return kind(found.group(2).strip()) if found and isinstance(kind, type) and issubclass(kind, ReplenError) else None


def stopped(error: BaseException, command: str) -> ReplenError | None:
    """Return what to tell where something outside of replen failed, None where replen itself did.

    >>> print(stopped(OSError(28, "No space left on device", "/data/x"), "ingest"))  # doctest: +ELLIPSIS
    ingest was stopped by OSError: [Errno 28] No space left on device: '/data/x'; what it committed stands, ...
    """
    kind = type(error)
    by_worker = "Traceback (most recent call last)" in str(error) and "[Errno" not in str(error)
    if by_worker or not (isinstance(error, OSError) or kind.__module__.split(".")[0] in OUTSIDE):
        return None
    causes = CAUSE.findall(str(error))
    told = causes[-1] if causes else (str(error).strip().splitlines() or [""])[0]
    return StoppedError(
        f"{command} was stopped by {kind.__name__}: {told}; what it committed stands, what it did not is not seen by readers; "
        "mend the cause, and the same command goes on after the last committed job (--debug shows where it was)"
    )
