"""Column types that mean the same on SQLite, PostgreSQL, MariaDB and MySQL."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

LIKE_MYSQL = ("mysql", "mariadb")


class Name(sa.types.TypeDecorator[str]):
    """Text that is equal only where every byte is: MariaDB and MySQL by default take `a` for `A` and for `a` and a blank."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        """Hold at most `length` characters; three of 255 and a date fit into a key of MariaDB."""
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return the type of this database."""
        if dialect.name not in LIKE_MYSQL:
            return dialect.type_descriptor(sa.String(self.length))
        collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
        return dialect.type_descriptor(mysql.VARCHAR(self.length, charset="utf8mb4", collation=collation))


TEXT = sa.Text().with_variant(mysql.TEXT(charset="utf8mb4"), *LIKE_MYSQL)
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *LIKE_MYSQL)  # UTC, to the microsecond
MAP = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
