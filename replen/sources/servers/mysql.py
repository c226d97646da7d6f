"""MySQL and MariaDB: a snapshot for each connection, rows as text from a cursor of the server, which Arrow converts."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import sqlalchemy as sa

from replen.sources.servers import FIRST_DAY, Field, Quote, select

ROWS = 100_000  # of a batch
_SETTINGS = ("TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SESSION time_zone = '+00:00'", "SESSION net_write_timeout = 600")


def _existing(instead: str) -> str:
    """Return the SQL of days that exist: the server keeps 0000-00-00 and its like, and the rules refuse what replaces them."""
    return f"IF(MONTH({{}}) = 0 OR DAY({{}}) = 0, {instead}, {{}})"


# By the number of a type in the protocol: how its values are read; those of other types as text.
_TYPES: dict[object, tuple[pa.DataType, str]] = {
    **dict.fromkeys((1, 2, 3, 8, 9, 13), (pa.int64(), "{}")),
    **dict.fromkeys((0, 4, 5, 246), (pa.float64(), "{}")),
    16: (pa.int64(), "CAST({} AS UNSIGNED)"),
    **dict.fromkeys((10, 14), (pa.date32(), _existing(f"DATE '{FIRST_DAY}'"))),
    **dict.fromkeys((7, 12), (pa.timestamp("us"), _existing(f"TIMESTAMP '{FIRST_DAY} 00:00:00'"))),
}


def begin(connection: sa.Connection, *, snapshot: str | None) -> str | None:
    """Begin a transaction that only reads; no other connection can join what it sees."""
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET {setting}")
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    return snapshot


def fields(connection: sa.Connection, rows: str, quote: Quote) -> tuple[Field, ...]:
    """Return the columns with their types; what is no number or date is read as its text."""
    described = connection.exec_driver_sql(select("*", rows, "1 = 0")).cursor.description
    return tuple(Field(name, *_TYPES.get(kind, (pa.string(), "{}")), quote(name)) for name, kind, *_ in described)


def digest(fields: Sequence[Field]) -> str:
    """Return the sum of 60 bits of each row's MD5; QUOTE tells null from text and where a value ends."""
    row = ", ',', ".join(f"QUOTE({field.sql})" for field in fields)
    return f"SUM(CAST(CONV(LEFT(MD5(CONCAT({row})), 15), 16, 10) AS UNSIGNED))"


def hashed(field: Field, n_parts: int, part: int) -> str:
    """Return the condition of the rows in a part; null is in the first."""
    return f"COALESCE(CRC32({field.sql}) % {n_parts}, 0) = {part}"


def blocks(connection: sa.Connection, table: str, n_parts: int) -> list[str] | None:
    """Return None: the server does not tell where rows lie."""
    return None


def stream(connection: sa.Connection, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query; values stay the text they were sent as until Arrow converts whole columns."""
    from pymysql.cursors import SSCursor  # type: ignore[import-untyped]

    driver = connection.connection.driver_connection
    driver.decoders = {}  # type: ignore[union-attr]
    with driver.cursor(SSCursor) as cursor:  # type: ignore[union-attr]
        cursor.execute(query)
        while rows := cursor.fetchmany(ROWS):
            columns = zip(zip(*rows, strict=True), schema.types, strict=True)
            yield pa.RecordBatch.from_arrays(
                [pa.array(values, pa.string()).cast(kind) for values, kind in columns], schema=schema
            )
