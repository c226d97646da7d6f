"""What the rows of a database are told apart by, and conditions that cut them: dates, ranges, hashes."""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from replen import config
from replen.errors import ConfigError, SourceError
from replen.sources.database import Rows
from replen.sources.servers import Field, select


@dataclass(frozen=True)
class State:
    """What the rows of one moment are told apart by.

    Attributes:
        n_rows: all rows.
        newest: last date up to today in the column of `since`; None without one, or without rows.
        digest: hash of the rows from `overlap_days` before the newest date on, of all rows without `since`.
    """

    n_rows: int
    newest: dt.date | None
    digest: str

    def identity(self, schema: pa.Schema) -> str:
        """Return what changes when a row can have changed."""
        described = [self.n_rows, str(self.newest), self.digest, [[one.name, str(one.type)] for one in schema]]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def state(rows: Rows, connection: sa.Connection, since: config.Since | None, today: dt.date) -> State:
    """Return what the rows that a connection sees are told apart by: one query, two with `since`."""
    digest = rows.server.digest(rows.fields)
    if since is None:
        n_rows, found = _one(rows, connection, f"count(*), {digest}")
        return State(n_rows, None, str(found))
    dates = rows.named(since.column)
    newest_value = dates.of(f"max(CASE WHEN {dates.column} <= '{today}' THEN {dates.column} END)")
    n_rows, last = _one(rows, connection, f"count(*), {newest_value}")
    newest = _date(last, rows, since)
    recent = "" if newest is None else not_before(rows, since, newest - dt.timedelta(days=since.overlap_days))
    return State(n_rows, newest, str(_one(rows, connection, digest, recent)[0]))


def not_before(rows: Rows, since: config.Since, day: dt.date) -> str:
    """Return the condition of the rows that an incremental reading takes: from a day on, and those without a date."""
    column = rows.named(since.column).column
    return f"({column} >= '{day}' OR {column} IS NULL)"


def count_before(rows: Rows, connection: sa.Connection, since: config.Since, day: dt.date) -> int:
    """Return how many rows lie before a day."""
    column = rows.named(since.column).column
    return int(_one(rows, connection, "count(*)", f"{column} < '{day}'")[0])


def parts(rows: Rows, connection: sa.Connection, partition: config.Partition | None, condition: str) -> list[str]:
    """Return conditions that cut the rows of a condition: each row meets one.

    Raises:
        ConfigError: the server needs a column to cut by, and none is given.
    """
    if partition is None or partition.n == 1:
        return [condition]
    if partition.column is None:
        cuts = None if rows.source.startswith("(") else rows.server.blocks(connection, rows.source, partition.n)
        if cuts is None:
            raise ConfigError(
                f"{rows.where}.partition.column: {rows.place} can only be cut by a column: name one with an index, or set "
                f"{rows.where}.partition to null"
            )
    else:
        cuts = _by_column(rows, connection, rows.named(partition.column), partition.n)
    return [" AND ".join(filter(None, (condition, cut))) for cut in cuts]


def _by_column(rows: Rows, connection: sa.Connection, column: Field, n_parts: int) -> list[str]:
    """Return conditions: ranges of equal width of a number or date, else parts by hash; null is in the first."""
    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return [rows.server.hashed(column, n_parts, part) for part in range(n_parts)]
    low, high = _one(rows, connection, ", ".join(column.of(f"{ends}({column.column})") for ends in ("min", "max")))
    if low is None:
        return [""]
    if isinstance(low, dt.date):  # a datetime is one too
        first, n_days = low.toordinal(), high.toordinal() - low.toordinal() + 1
        ends = sorted({first + n_days * part // n_parts for part in range(1, n_parts)} - {first})
        bounds = [f"'{dt.date.fromordinal(end)}'" for end in ends]
    elif math.isfinite(low) and math.isfinite(high):
        bounds = [repr(float(low) + (float(high) - float(low)) * part / n_parts) for part in range(1, n_parts)]
    else:
        return [rows.server.hashed(column, n_parts, part) for part in range(n_parts)]
    if not bounds:
        return [""]
    name = column.column
    between = [f"{name} >= {low} AND {name} < {high}" for low, high in pairwise(bounds)]
    return [f"({name} < {bounds[0]} OR {name} IS NULL)", *between, f"{name} >= {bounds[-1]}"]


def _one(rows: Rows, connection: sa.Connection, what: str, condition: str = "") -> Sequence[Any]:
    """Return the one row of aggregates."""
    return connection.exec_driver_sql(select(what, rows.source, condition)).one()


def _date(last: object, rows: Rows, since: config.Since) -> dt.date | None:
    """Return the largest value of the column of `since` as a day."""
    if last is None or isinstance(last, dt.datetime):
        return None if last is None else last.date()
    try:
        return last if isinstance(last, dt.date) else dt.date.fromisoformat(str(last)[:10])
    except ValueError:
        raise SourceError(
            f"{rows.where}.since.column: expected dates in {since.column!r} of {rows.place}, found {last!r}; name a column of "
            "dates, or set since to null"
        ) from None
