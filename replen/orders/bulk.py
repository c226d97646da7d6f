"""Frames into temporary tables of the database, the fastest way that each kind of database has."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import sqlalchemy as sa

from replen import tables as t
from replen.database_types import Name
from replen.errors import TableError, raise_all
from replen.orders.schema import WRITTEN, column

STAGED = {
    table: sa.Table(
        f"new_{table.name}", sa.MetaData(), *(column(table, name) for name in table.columns), prefixes=["TEMPORARY"]
    )
    for table in WRITTEN
}


def create(connection: sa.Connection, staged: sa.Table) -> None:
    """Create an empty temporary table; only this connection sees it."""
    drop(connection, staged)  # MariaDB keeps it when a transaction fails
    staged.create(connection, checkfirst=False)


def drop(connection: sa.Connection, staged: sa.Table) -> None:
    """Drop a temporary table, never one of the same name that stays."""
    schema = {"sqlite": "temp.", "postgresql": "pg_temp."}.get(connection.dialect.name, "")
    kind = "TEMPORARY TABLE" if not schema else "TABLE"
    connection.exec_driver_sql(f"DROP {kind} IF EXISTS {schema}{staged.name}")


def load(connection: sa.Connection, table: t.Table, rows: pd.DataFrame) -> None:
    """Append a frame in the columns of `table` to its temporary table.

    Raises:
        TableError: a name is longer than its column.
    """
    if rows.empty:
        return
    staged, quote = STAGED[table], connection.dialect.identifier_preparer.quote
    _check_lengths(staged, rows, table)
    values = list(zip(*(_values(name, rows[name]) for name in table.columns), strict=True))
    into = f"{quote(staged.name)} ({', '.join(quote(each.name) for each in staged.columns)})"
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with _failing_as_statements_do(connection), driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
    else:
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        marks = ", ".join([mark] * len(staged.columns))
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({marks})", values)  # noqa: S608 - quoted names of tables.py


@contextmanager
def _failing_as_statements_do(connection: sa.Connection) -> Iterator[None]:
    """Turn what a driver that is used directly raises into what SQLAlchemy raises for it."""
    kinds: Any = connection.dialect.loaded_dbapi
    try:
        yield
    except kinds.Error as error:
        lost = connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
        if lost:
            connection.invalidate(error)
        told = sa.exc.DBAPIError.instance(
            "COPY", None, error, kinds.Error, connection_invalidated=lost, dialect=connection.dialect
        )
        raise told from error


def _check_lengths(staged: sa.Table, rows: pd.DataFrame, table: t.Table) -> None:
    """Refuse names that are too long, which SQLite would take and the others would call by the driver's words."""
    problems = []
    for name in table.names:
        kind = staged.c[name].type
        if isinstance(kind, Name):
            longest = rows[name].dropna().astype(str).str.len().max()
            if longest > kind.length:
                problems.append(f"{table.name}.{name}: expected at most {kind.length} characters, found {longest}; shorten it")
    raise_all(TableError, problems)


def _values(column: t.Column, values: pd.Series) -> list[object]:
    """Return a column as every driver takes it: null for NaN, dates as ISO text, maps as JSON with their keys in order."""
    if column.type == "date":
        values = pd.to_datetime(values).dt.strftime("%Y-%m-%d")
    known: list[Any] = values.astype(object).where(values.notna(), None).tolist()
    if column.type.startswith("map"):
        return [None if value is None else json.dumps(dict(value), sort_keys=True) for value in known]
    return known
