"""A table brought to what it should hold by the difference alone: rows that are right already are not written again."""

from dataclasses import dataclass

import sqlalchemy as sa

Clause = sa.ColumnElement[bool]


@dataclass(frozen=True)
class Difference:
    """Statements that make the rows of `stored` in a scope those of `wanted`.

    Attributes:
        stored: the table.
        wanted: rows as they should be, in the same columns, by the same key.
        scope: which rows of `stored` may be changed or deleted.
    """

    stored: sa.Table
    wanted: sa.Table
    scope: Clause

    def delete(self, connection: sa.Connection) -> int:
        """Delete rows of the scope that are not wanted and return how many."""
        wanted = sa.exists().where(self._same_key())
        return connection.execute(sa.delete(self.stored).where(self.scope, ~wanted)).rowcount

    def write(self, connection: sa.Connection) -> int:
        """Update rows that differ, insert those that are missing, and return how many."""
        values = [each.name for each in self.stored.columns if not each.primary_key]
        differs = sa.or_(*(self.stored.c[name].is_distinct_from(self.wanted.c[name]) for name in values))
        update = (
            sa.update(self.stored)
            .where(self.scope, self._same_key(), differs)
            .values({self.stored.c[name]: self.wanted.c[name] for name in values})
        )
        there = sa.exists().where(self._same_key())
        names = [each.name for each in self.stored.columns]
        insert = sa.insert(self.stored).from_select(names, sa.select(*(self.wanted.c[name] for name in names)).where(~there))
        updated = connection.execute(update).rowcount
        return updated + connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount

    def _same_key(self) -> Clause:
        return sa.and_(*(self.stored.c[key.name] == self.wanted.c[key.name] for key in self.stored.primary_key.columns))
