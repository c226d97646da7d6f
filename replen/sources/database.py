"""A table of a database as its readers see it: where it is, its columns, and a part of its rows as a file."""

import difflib
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow import fs

from replen import config
from replen.databases import database_url, engine_of, first_line, shown
from replen.errors import ConfigError, SourceError
from replen.sources.servers import Field, Quote, Server, mysql, postgresql, select, sqlite

SERVERS: Mapping[str, Server] = {"postgresql": postgresql, "mysql": mysql, "mariadb": mysql, "sqlite": sqlite}
READ = "read-"  # begins the name of a file of rows
ATTEMPTS, PAUSE = 3, 1.0  # of reading a part whose connection is lost; seconds before the second, doubled before the third
LOST = ("OperationalError", "InterfaceError")
FAILURES = (sa.exc.SQLAlchemyError, pa.ArrowException, ImportError, OSError, ValueError)


@dataclass(frozen=True)
class Rows:
    """What is read: the columns of a table or query of a database.

    Attributes:
        where: its key in the configuration, for messages.
        url: of the database, password included.
        place: what messages call it.
        source: what stands after FROM.
        fields: the columns that are read.
        found: names of all columns.
    """

    where: str
    url: sa.URL = field(repr=False)
    place: str
    source: str
    fields: tuple[Field, ...] = ()
    found: tuple[str, ...] = ()

    @property
    def database(self) -> str:
        """Return which database it is, without who asks."""
        return f"{self.url.host}:{self.url.port}/{self.url.database}"

    @property
    def server(self) -> Server:
        """Return how this kind of server is read."""
        return SERVERS[self.url.get_backend_name()]

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the rows."""
        return pa.schema([(field.name, field.type) for field in self.fields])

    def query(self, condition: str) -> str:
        """Return the SQL of the rows that meet a condition, all where it is empty."""
        return select(", ".join(field.sql for field in self.fields), self.source, condition)

    def named(self, column: str) -> Field:
        """Return a column by name; the configuration was checked to name one that is there."""
        return next(field for field in self.fields if field.name == column)


def described(name: str, source: config.DatabaseTable) -> Rows:
    """Return the rows of a table of the configuration, its columns not known yet.

    Raises:
        ConfigError: the setting gives no URL, or that of a database which cannot be read.
    """
    where = f"sources.tables.{name}"
    url = database_url(source.database, where=f"{where}.database")
    if url.get_backend_name() not in SERVERS:
        raise ConfigError(
            f"{where}.database: expected a database of one of {', '.join(SERVERS)}, found {url.get_backend_name()}; give its "
            "rows as files"
        )
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).is_file()):
        raise ConfigError(f"{where}.database: {shown(url)} does not exist; set it to the URL of an existing SQLite file")
    quote = quoting(url)
    if source.table is not None:
        table = ".".join(map(quote, source.table.split(".", 1)))
        return Rows(where, url, f"{source.table} in {shown(url)}", table)
    return Rows(where, url, f"the query in {shown(url)}", f"({str(source.query).strip().rstrip(';')}\n) AS source_rows")


def quoting(url: sa.URL) -> Quote:
    """Return what quotes a name as the server wants it; percent signs stay single, since statements have no parameters."""
    return url.get_dialect()(paramstyle="named").identifier_preparer.quote_identifier  # type: ignore[call-arg]


@contextmanager
def connected(rows: Rows) -> Iterator[sa.Connection]:
    """Give a connection of its own; after a failure it is thrown away, whatever it was in the middle of."""
    engine = engine_of(rows.url)
    try:
        # Without parameters a percent sign is one.
        with engine.connect().execution_options(no_parameters=True) as connection:
            try:
                yield connection
            except BaseException:
                connection.invalidate()
                raise
    finally:
        engine.dispose()


@contextmanager
def told(rows: Rows) -> Iterator[None]:
    """Turn what a server says against a connection or a statement into one sentence that a user can act on.

    Raises:
        SourceError: naming table, configuration key and remedy.
    """
    try:
        yield
    except FAILURES as error:
        raise SourceError(_sentence(rows, error)) from None
    except Exception as error:
        if isinstance(error, rows.url.get_dialect().import_dbapi().Error):
            raise SourceError(_sentence(rows, error)) from None
        raise


def with_columns(rows: Rows, connection: sa.Connection, wanted: frozenset[str]) -> Rows:
    """Return the rows with the columns that are wanted and there.

    Raises:
        SourceError: there is no such table, or it may not be read.
    """
    try:
        found = rows.server.fields(connection, rows.source, quoting(rows.url))
    except sa.exc.DBAPIError as error:
        raise SourceError(_sentence(rows, error) + _guess(rows, connection)) from None
    fields = tuple(field for field in found if field.name in wanted)
    names = tuple(field.name for field in found)
    return replace(rows, fields=fields or found, found=names)


def write_part(rows: Rows, condition: str, *, snapshot: str | None, folder: str) -> tuple[str, int]:
    """Return the Parquet file that the rows of a condition were written to, and how many there are: what one task does.

    A connection that is lost is opened again, and the part read from its first row; only what was read whole is returned.

    Raises:
        SourceError: naming table, configuration key and remedy.
    """
    with told(rows):
        for attempt in range(1, ATTEMPTS):
            try:
                return _write_part(rows, condition, snapshot, folder)
            except Exception as error:
                if not any(kind.__name__ in LOST for kind in type(error).__mro__):
                    raise
            time.sleep(PAUSE * attempt)
        return _write_part(rows, condition, snapshot, folder)


def _write_part(rows: Rows, condition: str, snapshot: str | None, folder: str) -> tuple[str, int]:
    filesystem, base = filesystem_of(folder)
    name, n_rows = f"{READ}{uuid.uuid4().hex}.parquet", 0
    with connected(rows) as connection:
        rows.server.begin(connection, snapshot=snapshot)
        with filesystem.open_output_stream(f"{base}/{name}") as file, pq.ParquetWriter(file, rows.schema) as writer:
            for batch in rows.server.stream(connection, rows.query(condition), rows.schema):
                writer.write_batch(batch)
                n_rows += batch.num_rows
    return name, n_rows


def filesystem_of(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a path or URL, and the path there."""
    return fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)


def _guess(rows: Rows, connection: sa.Connection) -> str:
    """Return which table may have been meant."""
    if rows.source.startswith("("):
        return ""
    schema, _, name = rows.place.split(" in ")[0].rpartition(".")
    try:
        connection.rollback()
        about = sa.inspect(connection)
        known = [*about.get_table_names(schema or None), *about.get_view_names(schema or None)]
    except FAILURES:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close and close[0] != name else ""


def _sentence(rows: Rows, error: BaseException) -> str:
    reason = re.sub(r"^\([\w.]+\) ", "", first_line(error))[:300].rstrip(". ")
    return (
        f"{rows.where}: {rows.place} cannot be read: {reason}; see that the server can be reached, that {rows.where}.table or "
        "query is right and that the user has the right to SELECT, then run again"
    )
