"""Errors that crossed from a worker or the JVM, as the errors they were."""

import re

from pyspark.errors import PySparkException

from replen import errors
from replen.errors import ReplenError

# A worker's traceback ends with the error, qualified by its module; the JVM puts its own lines after it.
RAISED = re.compile(r"^replen\.errors\.(\w+): (.*?)(?=\n\s*\n|\n\s+at |\Z)", re.MULTILINE | re.DOTALL)


def told_by_worker(error: BaseException) -> ReplenError | None:
    r"""Return the project's error that a worker raised, None where Spark failed in another way.

    >>> from pyspark.errors import PythonException
    >>> told_by_worker(PythonException("Traceback ...\nreplen.errors.PlanError: costs: too low\n\n\tat org.apache"))
    PlanError('costs: too low')
    """
    found = RAISED.search(str(error)) if isinstance(error, PySparkException) else None
    kind = getattr(errors, found.group(1), None) if found else None
    return kind(found.group(2).strip()) if found and isinstance(kind, type) and issubclass(kind, ReplenError) else None
