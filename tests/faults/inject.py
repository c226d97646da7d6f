"""Faults at chosen writes: every door through which replen writes is wrapped from outside, counted, and one of them fails.

A write that fails does so before anything is done (`error`), half done (`full`), done and not told (`lost`), by the death of
its process (`kill`), by a connection that is gone (`drop`) for good (`down`), or by another transaction in the way (`busy`).
"""

import errno
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import mlflow
import mlflow.keras
import psycopg
import pymysql
import sqlalchemy as sa
from deltalake import DeltaTable
from mlflow.exceptions import MlflowException
from pyspark.sql.readwriter import DataFrameWriter

from replen.forecast.lstm.checkpoint import Checkpoints
from replen.sources.generator_folder import Folder
from replen.spark import store
from replen.spark.store import TableStore
from replen.tables import Table

MLFLOW_WRITES = (
    "create_experiment", "create_run", "log_param", "log_batch", "set_tag", "log_text", "log_artifact", "log_artifacts",
    "log_figure", "create_registered_model", "create_model_version", "set_model_version_tag", "set_registered_model_alias",
    "delete_registered_model_alias", "set_terminated",
)  # fmt: skip
WRITES = re.compile(r"\s*(BEGIN|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|.*FOR UPDATE)", re.IGNORECASE | re.DOTALL)
KINDS = {
    "folder": ("error", "full", "kill"),
    "file": ("error", "full", "kill"),
    "remove": ("error", "kill"),
    "commit": ("error", "lost", "kill"),
    "mlflow": ("error", "lost", "kill"),
    "statement": ("busy", "drop", "down", "full", "kill"),
    "COMMIT": ("drop", "lost", "full", "kill"),
}
ON_SERVERS = {"drop", "down", "lost"}
SURVIVED = {"busy", "drop"}  # in the same process, by trying again


@dataclass(frozen=True)
class Point:
    """A write: what kind of door it goes through, and what is written."""

    family: str
    label: str


@dataclass(frozen=True)
class Fault:
    """The number of a write, and how it fails."""

    number: int
    kind: str


@dataclass
class Injector:
    """Counts writes and lets the chosen one fail.

    Attributes:
        fault: None only counts.
        points: every write so far.
        down: whether the database is gone for good.
    """

    fault: Fault | None = None
    points: list[Point] = field(default_factory=list)
    down: bool = False

    def is_next(self, point: Point) -> bool:
        """Return whether this write fails; it is counted."""
        self.points.append(point)
        return self.fault is not None and len(self.points) - 1 == self.fault.number

    def wrapped(self, owner: object, name: str, family: str) -> Callable[..., object]:
        """Return what stands for a function or method that writes to files or MLflow."""
        original = getattr(owner, name)

        def through(*arguments: object, **keywords: object) -> object:
            point = Point(family, f"{name} {_detail(arguments)}".strip())
            if not self.is_next(point):
                return original(*arguments, **keywords)
            kind = self.fault.kind
            if kind == "lost":
                original(*arguments, **keywords)
            if family in ("folder", "file") and kind in ("full", "kill"):
                _half_done(family, original, arguments, keywords)
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if family == "mlflow":
                raise MlflowException("the tracking server does not answer")
            raise OSError(*((errno.ENOSPC, "No space left on device") if kind == "full" else (errno.EIO, "Input/output error")))

        return through

    def statement(self, cursor: Any, text: str, engine: sa.Engine) -> None:
        """Let a statement on the order database fail before it is sent."""
        if str(engine.url.database).endswith("mlflow.db"):
            return
        dialect = engine.dialect.name
        if self.down:
            hang_up(cursor.connection)
        elif WRITES.match(text) and self.is_next(Point("statement", " ".join(text.split())[:50])):
            self._fail(dialect, cursor.connection)

    def commit(self, connection: sa.Connection, original: Callable[[sa.Connection], None]) -> None:
        """Let a COMMIT fail, or its answer get lost."""
        url, dialect = connection.engine.url, connection.dialect
        if str(url.database).endswith("mlflow.db") or not self.is_next(Point("COMMIT", "COMMIT")):
            original(connection)
        elif self.fault.kind == "lost":
            original(connection)
            driver: Any = connection.connection.driver_connection
            hang_up(driver)
            connection.exec_driver_sql("SELECT 1")  # fails as the COMMIT would, once its answer does not come
        else:
            try:
                self._fail(dialect.name, connection.connection.driver_connection)
            except dialect.loaded_dbapi.Error as error:
                connection._handle_dbapi_exception(error, None, None, None, None)
            original(connection)

    def _fail(self, dialect: str, driver: Any) -> None:
        kind = self.fault.kind
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind in ON_SERVERS:
            self.down = kind == "down"
            hang_up(driver)
        else:
            raise _told_by_driver(dialect, kind)


@contextmanager
def injected(fault: Fault | None = None) -> Iterator[Injector]:
    """Give the injector of all writes of this process while the block runs."""
    injector = Injector(fault)
    doors = [
        (DataFrameWriter, "parquet", "folder"),
        (DeltaTable, "create", "commit"),
        (DeltaTable, "create_write_transaction", "commit"),
        (store, "write_deltalake", "commit"),
        (TableStore, "remove", "remove"),
        (Folder, "write", "remove"),
        (Folder, "delete", "remove"),
        (Folder, "rename", "remove"),
        (Checkpoints, "save", "file"),
        (Path, "replace", "file"),
        *((mlflow.MlflowClient, name, "mlflow") for name in MLFLOW_WRITES),
        (mlflow.keras, "log_model", "mlflow"),
    ]
    commit, copy = sa.Connection._commit_impl, psycopg.Cursor.copy
    with ExitStack() as stack:
        for owner, name, family in doors:
            stack.enter_context(mock.patch.object(owner, name, injector.wrapped(owner, name, family)))
        stack.enter_context(mock.patch.object(sa.Connection, "_commit_impl", lambda self: injector.commit(self, commit)))

        def copied(cursor: Any, text: str, *rest: object) -> object:
            if injector.is_next(Point("statement", text[:50])):
                injector._fail("postgresql", cursor.connection)
            return copy(cursor, text, *rest)

        stack.enter_context(mock.patch.object(psycopg.Cursor, "copy", copied))
        for event in ("do_execute", "do_executemany"):
            stack.enter_context(_listening(event, injector))
        yield injector


@contextmanager
def _listening(event: str, injector: Injector) -> Iterator[None]:
    def listener(cursor: Any, statement: str, _parameters: object, context: Any) -> None:
        injector.statement(cursor, statement, context.engine)

    sa.event.listen(sa.Engine, event, listener)
    yield
    sa.event.remove(sa.Engine, event, listener)


def hang_up(driver: Any) -> None:
    """End the connection below a driver without telling it."""
    number = driver.fileno() if hasattr(driver, "fileno") else driver._sock.fileno()
    with socket.socket(fileno=os.dup(number)) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _told_by_driver(dialect: str, kind: str) -> Exception:
    """Return what the driver raises where the disk is full or another transaction is in the way."""
    full = kind == "full"
    if dialect == "postgresql":
        return (
            psycopg.errors.DiskFull("No space left on device") if full else psycopg.errors.DeadlockDetected("deadlock detected")
        )
    if dialect == "mysql":
        return pymysql.err.OperationalError(
            *((1021, "Disk full") if full else (1213, "Deadlock found when trying to get lock"))
        )
    error = sqlite3.OperationalError("database or disk is full" if full else "database is locked")
    error.sqlite_errorname = "SQLITE_FULL" if full else "SQLITE_BUSY"
    return error


def _half_done(family: str, original: Callable[..., object], arguments: Any, keywords: Any) -> None:
    """Leave what a disk that is full leaves: some of the files of a folder, or some of the bytes beside a file."""
    if family == "folder":
        original(*arguments, **keywords)
        folder = Path(str(arguments[1]).removeprefix("file://"))
        for file in [folder / "_SUCCESS", *sorted(folder.glob("*.parquet"))[::2]]:
            file.unlink(missing_ok=True)
    elif isinstance(arguments[0], Checkpoints):
        folder, number, state = Path(arguments[0]._folder), arguments[1], arguments[2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}-{state.epoch}.partial").write_bytes(state.to_bytes()[:100])


def _detail(arguments: tuple[object, ...]) -> str:
    """Return what is written, the same in every run: no ids, no folders of this machine."""
    first = arguments[0]
    if isinstance(first, DeltaTable):
        return Path(first.table_uri).name
    named = [each for each in arguments if isinstance(each, (str, Path, Table)) and len(str(each)) < 300]
    if not named:
        return first.name.rsplit("/", 1)[-1] if isinstance(first, Folder) else ""
    text = (
        named[0].name if isinstance(named[0], Table) else str(named[-1] if isinstance(first, mlflow.MlflowClient) else named[0])
    )
    parts = text.split("/data/")[0].rstrip("/").split("/")
    return re.sub(r"\b[0-9a-f]{8,}\b|\.\w{8}$", "", parts[-1] or parts[0]).strip("-.")[:50]
