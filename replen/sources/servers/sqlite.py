"""SQLite: values have types, columns have none, so that rows are read as text like those of CSV."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence

import pyarrow as pa
import sqlalchemy as sa

from replen.sources.servers import Field, Quote, select

ROWS = 100_000  # of a batch
_BITS = 64


class _Digest:
    """An SQL aggregate: the sum of hashes of rows."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *row: object) -> None:
        """Add a row."""
        self._sum += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=_BITS // 8).digest())

    def finalize(self) -> str:
        """Return the sum."""
        return f"{self._sum % 2**_BITS:x}"


def begin(connection: sa.Connection, *, snapshot: str | None) -> str | None:
    """Begin a transaction that only reads; no other connection can join what it sees."""
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    driver.create_aggregate("replen_digest", -1, _Digest)  # type: ignore[arg-type]
    connection.exec_driver_sql("PRAGMA query_only = ON")
    connection.exec_driver_sql("BEGIN")
    return snapshot


def fields(connection: sa.Connection, rows: str, quote: Quote) -> tuple[Field, ...]:
    """Return the columns, all as text."""
    described = connection.exec_driver_sql(select("*", rows, "1 = 0")).cursor.description
    return tuple(Field(name, pa.string(), "{}", quote(name)) for name, *_ in described)


def digest(fields: Sequence[Field]) -> str:
    """Return the sum of the rows' 64-bit hashes."""
    return f"replen_digest({', '.join(field.sql for field in fields)})"


def hashed(field: Field, n_parts: int, part: int) -> str:
    """Return the condition of the rows in a part: rows are told apart by the length of the value alone."""
    return f"coalesce(length({field.sql}) % {n_parts}, 0) = {part}"


def blocks(connection: sa.Connection, table: str, n_parts: int) -> list[str] | None:
    """Return one condition that every row meets: one reader is as fast as the file."""
    return [""]


def stream(connection: sa.Connection, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query."""
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    driver.text_factory = lambda text: text.decode("utf-8", "replace")
    cursor = driver.execute(query)
    while rows := cursor.fetchmany(ROWS):
        columns = [pa.array([_text(value) for value in values], pa.string()) for values in zip(*rows, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, str) else repr(value)
