"""What every kind of database server does its own way when a table is read from it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import sqlalchemy as sa

FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"  # what lies outside no reader has a date for; the rules refuse both
Quote = Callable[[str], str]


@dataclass(frozen=True)
class Field:
    """A column as it is read.

    Attributes:
        name: there.
        type: in Arrow.
        form: SQL that makes of a value, `{}`, one that the type can hold.
        column: its quoted name, what conditions compare: an index can be used.
    """

    name: str
    type: pa.DataType
    form: str
    column: str

    @property
    def sql(self) -> str:
        """Return the SQL of the value as it is read."""
        return self.of(self.column)

    def of(self, value: str) -> str:
        """Return the SQL of a value that was made of the column's."""
        return self.form.replace("{}", value)


def select(what: str, source: str, condition: str = "") -> str:
    """Return a statement. Names in its parts were quoted by the dialect, literals are dates and numbers of our own.

    >>> select("count(*)", "`sales`", "`quantity` < 3")
    'SELECT count(*) FROM `sales` WHERE `quantity` < 3'
    """
    return " ".join(["SELECT", what, "FROM", source, *(["WHERE", condition] if condition else [])])


class Server(Protocol):
    """A kind of server; connections are SQLAlchemy's, the rows come from its driver."""

    def begin(self, connection: sa.Connection, *, snapshot: str | None) -> str | None:
        """Begin a transaction that cannot write and sees one state of the database.

        Args:
            connection: new, without a transaction.
            snapshot: state to join that another connection gave; None: the present one.

        Returns:
            what other connections join this state by, None where the server has no such thing.
        """

    def fields(self, connection: sa.Connection, rows: str, quote: Quote) -> tuple[Field, ...]:
        """Return the columns of what stands after FROM."""

    def digest(self, fields: Sequence[Field]) -> str:
        """Return the SQL aggregate that any change of a row changes, whatever the order of rows."""

    def hashed(self, field: Field, n_parts: int, part: int) -> str:
        """Return the condition of the rows whose hash of a column falls into a part."""

    def blocks(self, connection: sa.Connection, table: str, n_parts: int) -> list[str] | None:
        """Return conditions that cut a table where it lies on disk, None where the server does not tell."""

    def stream(self, connection: sa.Connection, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in batches of bounded size."""
