"""Frames into temporary tables of the database, the fastest way that each kind of database has."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import sqlalchemy as sa

from replen import tables as t
from replen.errors import TableError, raise_all
from replen.orders.schema import WRITTEN, column
from replen.orders.types import Name

Row = tuple[object, ...]


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
    staged = STAGED[table]
    _check_lengths(staged, rows, table)
    if connection.dialect.name == "postgresql":
        _copy(connection, staged, _tuples(table, rows, as_text=True))
    else:
        names = table.names
        connection.execute(
            sa.insert(staged), [dict(zip(names, row, strict=True)) for row in _tuples(table, rows, as_text=False)]
        )


def _copy(connection: sa.Connection, staged: sa.Table, rows: Iterator[Row]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    driver: Any = connection.connection.driver_connection
    columns = ", ".join(quote(each.name) for each in staged.columns)
    with driver.cursor() as cursor, cursor.copy(f"COPY {quote(staged.name)} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


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


def _tuples(table: t.Table, rows: pd.DataFrame, *, as_text: bool) -> Iterator[Row]:
    """Yield rows as drivers want them: null for NaN, dates without a time, maps with their keys in order."""
    columns = [_values(name, rows[name], as_text=as_text) for name in table.columns]
    return zip(*columns, strict=True)


def _values(column: t.Column, values: pd.Series, *, as_text: bool) -> list[object]:
    known: list[Any] = values.astype(object).where(values.notna(), None).tolist()
    if column.type == "date":
        return [None if value is None else pd.Timestamp(value).date() for value in known]
    if column.type.startswith("map"):
        maps = [None if value is None else dict(sorted(dict(value).items())) for value in known]
        return [None if value is None else json.dumps(value) for value in maps] if as_text else list(maps)
    return known
