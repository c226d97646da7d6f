"""Databases by URL: where credentials come from, what a failure may say, and what each kind of database needs."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from replen.errors import ConfigError
from replen.masks import masked, tells_secret

with suppress(ImportError):
    import psycopg  # noqa: F401  # before TensorFlow: after it, connecting by TLS ends the process (psycopg issue 1097)

FROM_ENVIRONMENT, FROM_FILE = "env:", "file:"
# Seconds (PostgreSQL's tcp_user_timeout: milliseconds) after which a server that is silent counts as lost. TLS needs nothing
# here: psycopg and PyMySQL from 1.2 on use it where the server offers it, and insist on it where the URL asks for it.
PATIENCE: Mapping[str, Mapping[str, object]] = {
    "postgresql+psycopg": {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 60_000},
    "mysql+pymysql": {"connect_timeout": 10, "read_timeout": 600, "write_timeout": 600},
    "mariadb+pymysql": {"connect_timeout": 10, "read_timeout": 600, "write_timeout": 600},
}
PASSING_STATES = {"55P03", "57P01", "57P02", "57P03"}  # lock not available; shut down, crashed, starting
PASSING_CODES = {1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013}  # too many, shut down, lock wait, deadlock, killed, lost


def database_url(setting: str, *, where: str) -> sa.URL:
    """Return the URL that a configuration names: `env:NAME`, `file:PATH`, or the URL itself where it holds no password.

    Args:
        setting: value of the key.
        where: the configuration key, for messages.

    Raises:
        ConfigError: there is no such variable or file, it holds no URL, or a password stands in the configuration.
    """
    text = _text(setting, where)
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # what was found may be a password: it is not told
        raise ConfigError(
            f"{where}: expected a URL such as postgresql+psycopg://user@host/database; {_place(setting)} holds none"
        ) from None
    if text is setting and (url.password is not None or tells_secret(text)):
        raise ConfigError(
            f"{where}: a password stands in the configuration; put the URL into an environment variable or a file of yours "
            "alone, and give env:NAME or file:PATH"
        )
    return url


def connect(setting: str, *, where: str) -> sa.Engine:
    """Return an engine that has reached the database.

    Args:
        setting: as `database_url` takes it.
        where: the configuration key, for messages.

    Raises:
        ConfigError: as `database_url`, or the driver is missing, or the database cannot be reached.
    """
    url = database_url(setting, where=where)
    try:
        engine = engine_of(url)
        if engine.dialect.name == "sqlite":
            _lock_when_a_transaction_begins(engine)
        engine.connect().close()
    except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise ConfigError(
            f"{where}: expected the URL of a database that can be reached, such as sqlite:///orders.db; {shown(url)} "
            f"cannot: {first_line(error)}"
        ) from error
    return engine


def engine_of(url: sa.URL) -> sa.Engine:
    """Return an engine whose connections do not wait for ever; what the URL says of it wins."""
    given = {name: value for name, value in PATIENCE.get(url.drivername, {}).items() if name not in url.query}
    return sa.create_engine(url, connect_args=given, hide_parameters=True)


def shown(url: sa.URL) -> str:
    """Return a URL as messages may show it."""
    return masked(url.render_as_string(hide_password=True))


def first_line(error: BaseException) -> str:
    """Return the first line of a driver's message."""
    return masked((str(error).splitlines() or [type(error).__name__])[0])


def passes(error: sa.exc.DBAPIError) -> bool:
    """Return whether the same statements may succeed later: the connection was lost, or another transaction was in the way.

    Source: SQLSTATE classes 08 (connection) and 40 (rollback), the codes of PostgreSQL, MariaDB and SQLite beside them.
    """
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if error.connection_invalidated or state is not None:
        return error.connection_invalidated or str(state)[:2] in {"08", "40"} or state in PASSING_STATES
    if getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return True
    code = cause.args[0] if cause is not None and cause.args else None
    if isinstance(code, int):
        return code in PASSING_CODES
    return isinstance(error, sa.exc.OperationalError) and type(cause).__module__.startswith("psycopg")  # it cannot be reached


def _text(setting: str, where: str) -> str:
    if setting.startswith(FROM_ENVIRONMENT):
        name = setting.removeprefix(FROM_ENVIRONMENT)
        if name not in os.environ:
            raise ConfigError(f"{where}: the environment variable {name} is not set; set it to the URL of the database")
        return os.environ[name]
    if setting.startswith(FROM_FILE):
        path = Path(setting.removeprefix(FROM_FILE))
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ConfigError(f"{where}: {path} cannot be read ({reason}); put the URL of the database into it") from None
    return setting


def _place(setting: str) -> str:
    return setting if setting.startswith((FROM_ENVIRONMENT, FROM_FILE)) else "the configuration"


def _lock_when_a_transaction_begins(engine: sa.Engine) -> None:
    """Make SQLite transactions real: by default its driver starts one only at the first write, after the rows were read."""

    @sa.event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
