"""Errors of replen: each message says where, what was expected, what was found and what to do."""

from collections.abc import Iterable


class ReplenError(Exception):
    """Base of every error a user can mend; the command prints its message and exits with 1."""


class ConfigError(ReplenError):
    """A key of the configuration is unknown, missing, of the wrong type or contradicts another."""


class SourceError(ReplenError):
    """Outside data cannot be read as the table that the configuration says it is."""


class TableError(ReplenError):
    """Rows break the contract of a table in `tables.py`, or a table or run is not there."""


class QualityError(ReplenError):
    """A check of the data found more than its threshold to stop, so that no order may be written."""


class PassingError(TableError):
    """The database failed in a way that may pass: a connection was lost, or another transaction was in the way."""


class StoppedError(ReplenError):
    """Something outside of replen failed: a disk, a cluster, MLflow, a store; what was committed stands."""


class PlanError(ReplenError):
    """The data of a whole plan contradict each other, so that no order may be written."""


class TrackingError(ReplenError):
    """MLflow has no model or run where one is needed."""


def raise_all(kind: type[ReplenError], problems: Iterable[str]) -> None:
    """Raise one error of `kind` that lists every problem; do nothing where there is none.

    >>> raise_all(ConfigError, [])
    """
    listed = list(problems)
    if len(listed) == 1:
        raise kind(listed[0])
    if listed:
        raise kind(f"{len(listed)} problems:\n" + "\n".join(f"  - {problem}" for problem in listed))
