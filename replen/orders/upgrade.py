"""The schema of the order database: created and brought up to date by alembic, checked by every job before it writes."""

import warnings
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as Alembic
from alembic.runtime.migration import MigrationContext

from replen import tables as t
from replen.databases import first_line
from replen.errors import ConfigError
from replen.orders.schema import HEAD, WRITTEN

FIRST = "0001"  # what databases are that were made before there were revisions


def current(engine: sa.Engine) -> str | None:
    """Return the revision of the order tables; None where there is none."""
    with engine.connect() as connection:
        return _revision(connection)


def upgrade(engine: sa.Engine, *, to: str = HEAD) -> str | None:
    """Return the revision there was, after applying those that are missing, in one transaction where the database can.

    Raises:
        ConfigError: a revision fails, or the tables that are there were not made by replen.
    """
    try:
        with engine.begin() as connection:
            before = _revision(connection)
            settings = Alembic()
            settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
            settings.attributes["connection"] = connection
            if before is None and _has_old_tables(connection):
                command.stamp(settings, FIRST)
            with warnings.catch_warnings():  # that an unnamed check of an old table is dropped: the next revision has it again
                warnings.simplefilter("ignore", UserWarning)
                command.upgrade(settings, to)
            return before
    except sa.exc.SQLAlchemyError as error:
        raise ConfigError(
            f"orders.database: its tables cannot be brought to revision {to}: {first_line(error)}; it needs a user who may "
            "create and alter tables, see docs/orders.md"
        ) from error


def require(engine: sa.Engine) -> None:
    """Refuse a database whose order tables are not those of this code; an empty SQLite file gets them.

    Raises:
        ConfigError: naming the command that mends it.
    """
    found = current(engine)
    if found is None and engine.dialect.name == "sqlite" and not sa.inspect(engine).get_table_names():
        upgrade(engine)
    elif found != HEAD:
        raise ConfigError(
            f"orders.database: expected order tables of revision {HEAD}, found {found or 'none'}; run `replen db upgrade` with "
            "this configuration, or the replen that this database was made for"
        )


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _has_old_tables(connection: sa.Connection) -> bool:
    """Return whether the tables are there as earlier code made them.

    Raises:
        ConfigError: there is a table of orders that is not replen's.
    """
    inspector = sa.inspect(connection)
    if not inspector.has_table(t.ORDERS.name):
        return False
    for table in WRITTEN:
        found = {column["name"] for column in inspector.get_columns(table.name)} if inspector.has_table(table.name) else set()
        if not found.issuperset(table.key):
            raise ConfigError(
                f"orders.database: the table {t.ORDERS.name} there is not replen's: expected a table {table.name} with the key "
                f"{', '.join(table.key)} beside it; give replen a database or schema of its own"
            )
    return True
