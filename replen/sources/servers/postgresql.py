"""PostgreSQL: all parts join one snapshot, rows come as CSV by COPY, which Arrow parses."""

from collections.abc import Iterator, Sequence
from io import BytesIO

import pyarrow as pa
import pyarrow.csv as pc
import sqlalchemy as sa

from replen.sources.servers import FIRST_DAY, LAST_DAY, Field, Quote, select

BLOCK = 16 * 2**20  # bytes of CSV that are parsed at once
_SETTINGS = ("TIME ZONE 'UTC'", "client_encoding TO 'UTF8'", "DateStyle TO ISO", "extra_float_digits TO 1",
             "idle_in_transaction_session_timeout TO 0")  # fmt: skip


def _within(value: str, kind: str) -> str:
    """Return the SQL of dates that others can read too: PostgreSQL has earlier and later ones, and infinity."""
    low, high = f"{kind} '{FIRST_DAY}'", f"{kind} '{LAST_DAY}'"
    return f"CASE WHEN {value} > {high} THEN {high} WHEN {value} < {low} THEN {low} ELSE {value} END"


# By the number of a type in pg_type: how its values are read; those of other types as text.
_TYPES: dict[object, tuple[pa.DataType, str]] = {
    16: (pa.bool_(), "{}"),
    **dict.fromkeys((20, 21, 23, 26), (pa.int64(), "{}")),
    **dict.fromkeys((700, 701, 1700), (pa.float64(), "{}")),
    **dict.fromkeys((25, 1042, 1043), (pa.string(), "{}")),
    1082: (pa.date32(), _within("{}", "DATE")),
    1114: (pa.timestamp("us"), _within("{}", "TIMESTAMP")),
    1184: (pa.timestamp("us"), _within("({} AT TIME ZONE 'UTC')", "TIMESTAMP")),
}


def begin(connection: sa.Connection, *, snapshot: str | None) -> str | None:
    """Begin a transaction that only reads, in the given snapshot or in one that others may join."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    return snapshot or str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())


def fields(connection: sa.Connection, rows: str, quote: Quote) -> tuple[Field, ...]:
    """Return the columns with their types; what is no number, date, truth value or text is read as its text."""
    described = connection.exec_driver_sql(select("*", rows, "1 = 0")).cursor.description
    return tuple(Field(name, *_TYPES.get(kind, (pa.string(), "({})::text")), quote(name)) for name, kind, *_ in described)


def digest(fields: Sequence[Field]) -> str:
    """Return the sum of the rows' 64-bit hashes."""
    return f"sum(hash_record_extended(ROW({', '.join(field.sql for field in fields)}), 0))"


def hashed(field: Field, n_parts: int, part: int) -> str:
    """Return the condition of the rows in a part; null is in the first."""
    return f"coalesce(abs(hashtextextended(({field.sql})::text, 0) % {n_parts}), 0) = {part}"


def blocks(connection: sa.Connection, table: str, n_parts: int) -> list[str] | None:
    """Return ranges of the table's pages: no index is needed, each page is read by one part; None for a view."""
    about = sa.text("SELECT relkind, pg_relation_size(oid) / current_setting('block_size')::int FROM pg_class WHERE oid = "
                    "CAST(:name AS regclass)")  # fmt: skip
    kind, n_blocks = connection.execute(about, {"name": table}).one()
    if kind not in ("r", "m"):
        return None
    ends = [n_blocks * part // n_parts for part in range(1, n_parts)]
    lows = ["", *(f"ctid >= '({end},0)'::tid" for end in ends)]
    highs = [*(f"ctid < '({end},0)'::tid" for end in ends), ""]
    return [" AND ".join(filter(None, pair)) for pair in zip(lows, highs, strict=True)]


def stream(connection: sa.Connection, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query, some 16 MiB of CSV at a time.

    The rows are taken from libpq one by one, which sends them so; `Cursor.copy` takes three times as long for each.
    """
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    libpq = connection.connection.driver_connection.pgconn  # type: ignore[union-attr]
    result = libpq.exec_(f"COPY ({query}) TO STDOUT (FORMAT csv)".encode())
    if result.status != ExecStatus.COPY_OUT:
        raise error_from_result(result)
    for block in _csv(libpq):
        yield from _parsed(block, schema)
    while result := libpq.get_result():
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _csv(libpq: object) -> Iterator[BytesIO]:
    """Yield CSV of whole rows."""
    take = libpq.get_copy_data  # type: ignore[attr-defined]
    block = BytesIO()
    keep, told = block.write, block.tell
    while (row := take(0))[0] > 0:
        keep(row[1])
        if told() > BLOCK:
            yield block
            block.seek(0)
            block.truncate()
    if told():
        yield block


def _parsed(block: BytesIO, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of CSV as COPY writes it: null is nothing at all, empty text is quoted."""
    content = pa.py_buffer(block.getvalue())
    read = pc.ReadOptions(column_names=schema.names, use_threads=False, block_size=content.size + 1)
    parse = pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
    convert = pc.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
        true_values=["t"], false_values=["f"],
    )  # fmt: skip
    yield from pc.read_csv(pa.BufferReader(content), read, parse, convert).to_batches()
