"""The schema of the order database: created and brought up to date by alembic, checked by every job before it writes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as Alembic
from alembic.runtime.migration import MigrationContext

from replen import tables as t
from replen.databases import first_line
from replen.errors import ConfigError
from replen.orders.schema import HEAD, WRITTEN

COMMITS_EACH = ("mysql", "mariadb")  # every statement that changes tables at once: a revision that fails stays half done
DONE_BEFORE = {1050, 1060, 1061, 1091, 1826, 3822}  # a table, column, key or constraint is there already, or gone already
ROW_THERE, NO_TABLE, NAME_TAKEN = 1062, 1005, "errno: 121"
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
        with _scripts() as scripts, engine.begin() as connection, _going_on(engine):
            before = _revision(connection)
            settings = Alembic()
            settings.set_main_option("script_location", str(scripts).replace("%", "%%"))
            settings.attributes["connection"] = connection
            if before is None and _has_old_tables(connection, unfinished=engine.dialect.name in COMMITS_EACH):
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


@contextmanager
def _scripts() -> Iterator[Path]:
    """Give the revisions as a folder, which alembic needs, where the package is an archive too (`spark-submit --py-files`)."""
    with TemporaryDirectory(prefix="replen-revisions-") as folder:
        _copy(files("replen.orders") / "migrations", Path(folder))
        yield Path(folder)


def _copy(source: Traversable, folder: Path) -> None:
    for item in source.iterdir():
        if item.is_dir():
            (folder / item.name).mkdir()
            _copy(item, folder / item.name)
        else:
            (folder / item.name).write_bytes(item.read_bytes())


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _going_on(engine: sa.Engine) -> Iterator[None]:
    """Leave out what an upgrade that failed has done already, where each of its statements was final."""

    def execute(cursor: Any, statement: str, parameters: Any, _context: object) -> bool:
        try:
            cursor.execute(statement, parameters)
        except engine.dialect.loaded_dbapi.Error as error:
            if not _was_done(error, statement):
                raise
        return True

    if engine.dialect.name not in COMMITS_EACH:
        yield
        return
    sa.event.listen(engine, "do_execute", execute)
    try:
        yield
    finally:
        sa.event.remove(engine, "do_execute", execute)


def _was_done(error: BaseException, statement: str) -> bool:
    """Return whether a statement fails only because it was done before."""
    code, *told = error.args or (None,)
    if code == ROW_THERE:  # of a statement that adds a key it says that rows break the key
        return statement.lstrip().upper().startswith("INSERT")
    return code in DONE_BEFORE or (code == NO_TABLE and NAME_TAKEN in str(told))


def _has_old_tables(connection: sa.Connection, *, unfinished: bool) -> bool:
    """Return whether the tables are there as earlier code made them.

    Args:
        connection: to the database.
        unfinished: whether an upgrade that failed may have left some of them: then they are not old.

    Raises:
        ConfigError: there is a table of orders that is not replen's.
    """
    inspector = sa.inspect(connection)
    if not inspector.has_table(t.ORDERS.name):
        return False
    known = [table for table in WRITTEN if not unfinished or inspector.has_table(table.name)]
    for table in known:
        found = {column["name"] for column in inspector.get_columns(table.name)} if inspector.has_table(table.name) else set()
        if not found.issuperset(table.key):
            raise ConfigError(
                f"orders.database: the table {t.ORDERS.name} there is not replen's: expected a table {table.name} with the key "
                f"{', '.join(table.key)} beside it; give replen a database or schema of its own"
            )
    return len(known) == len(WRITTEN)
