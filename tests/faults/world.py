"""A warehouse and an order database that can be put back as they were, the command that works on them, and all they hold."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyspark.sql import SparkSession

import replen.tables as t
from replen.cli import main
from replen.databases import connect
from replen.orders import patience
from replen.orders.schema import metadata
from replen.spark.store import TableStore
from tests.faults.inject import Fault, Point, injected

ROOT = Path(__file__).parents[2]
BY_CHANCE = {str(t.MLFLOW_RUN), str(t.FIT_SECONDS), str(t.COMMITTED_AT), str(t.TIME), "event_id"}
WITHOUT_SPARK = ("orders", "db", "write")
BY_NAME = {table.name: table for table in t.ALL}
Rows = dict[str, list[dict[str, object]]]


@dataclass(frozen=True)
class Ended:
    """How a command ended, what it said, and the writes it came to."""

    code: int
    told: str
    points: Sequence[Point] = ()


@dataclass(frozen=True)
class World:
    """Where a command works.

    Attributes:
        folder: of the warehouse.
        settings: of the command, `KEY=VALUE`.
        database: setting that names the order database.
    """

    folder: Path
    settings: tuple[str, ...]
    database: str

    def arguments(self, command: Sequence[str]) -> list[str]:
        """Return the arguments of a command in this world."""
        settings = [*self.settings, f"warehouse={self.folder}", f"orders.database={self.database}"]
        config = ["--config", str(ROOT / "conf/test.yaml")]
        return [*command, *config, *(part for setting in settings for part in ("--set", setting))]

    def run(self, command: Sequence[str], fault: Fault | None = None) -> Ended:
        """Run a command, in this process unless it is to be killed."""
        if fault is not None and fault.kind == "kill":
            return self._killed(command, fault)
        said = io.StringIO()
        with (
            mock.patch.object(SparkSession, "stop"),  # the next command uses it
            mock.patch.object(patience, "time", SimpleNamespace(sleep=lambda _: None)),  # there alone: others wait by it too
            redirect_stderr(said),
            redirect_stdout(io.StringIO()),
            injected(fault) as injector,
        ):
            code = self.does(command)
        return Ended(code, said.getvalue(), injector.points)

    def does(self, command: Sequence[str]) -> int:
        """Return the exit code of a command."""
        return main(self.arguments(command))

    def _killed(self, command: Sequence[str], fault: Fault) -> Ended:
        """Kill a process of its own: a new one, or where no JVM is needed a copy of this one."""
        if command[0] in WITHOUT_SPARK:
            return self._killed_as_a_copy(command, fault)
        program = [sys.executable, "-m", "tests.faults.killed", str(fault.number), *self.arguments(command)]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        return Ended(done.returncode, done.stderr)

    def _killed_as_a_copy(self, command: Sequence[str], fault: Fault) -> Ended:
        copy = os.fork()
        if copy == 0:
            with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()), injected(fault):
                os._exit(self.does(command) + 100)
        _, status = os.waitpid(copy, 0)
        return Ended(os.waitstatus_to_exitcode(status), "")

    def keep(self, into: Path) -> Rows:
        """Copy the warehouse, and return the rows of the database."""
        shutil.copytree(self.folder, into, dirs_exist_ok=True)
        return self.orders()

    def put_back(self, kept: Path, rows: Rows) -> None:
        """Make warehouse and database what they were; MLflow's ids of runs are among it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(kept, self.folder)
        engine = connect(self.database, where="orders.database")
        with engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name in rows:
                    connection.execute(sa.delete(table))
            for table in metadata.sorted_tables:
                if rows.get(table.name):
                    connection.execute(sa.insert(table), rows[table.name])
        engine.dispose()

    def orders(self) -> Rows:
        """Return all rows of the database, in the order of all their columns; none where it has no tables."""
        engine = connect(self.database, where="orders.database")
        with engine.connect() as connection:
            there = set(sa.inspect(connection).get_table_names())
            rows = {
                name: sorted(
                    map(dict, connection.execute(sa.select(table)).mappings()), key=lambda row: str(list(row.values()))
                )
                for name, table in metadata.tables.items()
                if name in there
            }
        engine.dispose()
        return rows

    def runs(self) -> list[tuple[object, ...]]:
        """Return what is committed: every job once."""
        rows = TableStore(None, str(self.folder)).rows(t.RUNS)  # type: ignore[arg-type]  # nothing is read by Spark
        return sorted(
            (row[t.JOB], row[t.RUN_ID], row[t.JOB_KEY], str(row[t.CUTOFF]), str(sorted(row[t.COUNTS]))) for row in rows
        )

    def tables(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Return the rows of every table of every committed job, by key, as plain values."""
        there = TableStore(None, str(self.folder))  # type: ignore[arg-type]
        found = {}
        for row in there.rows(t.RUNS):
            for name, version in row[t.VERSIONS].items():
                files = there.files(BY_NAME[name], version=version, run_id=row[t.PRODUCER])
                rows = pa.concat_tables([pq.read_table(file.removeprefix("file://")) for file in files]).to_pandas()
                key = [str(column) for column in BY_NAME[name].key if column in rows.columns]
                found[row[t.JOB], name] = rows.sort_values(key, ignore_index=True)
        return found

    def leftovers(self) -> list[str]:
        """Return what a job uses on its way and is still there."""
        kinds = ("staging", "checkpoints", "locks")
        return [str(path.relative_to(self.folder)) for kind in kinds for path in (self.folder / kind).glob("*")]


@dataclass(frozen=True)
class State:
    """All that readers see of a world."""

    runs: list[tuple[object, ...]]
    tables: Mapping[tuple[str, str], pd.DataFrame]
    orders: Rows

    @classmethod
    def of(cls, world: World) -> "State":
        """Return the state of a world."""
        return cls(world.runs(), world.tables(), world.orders())

    def differences(self, found: "State") -> list[str]:
        """Return what is not the same in another state; times and ids that are drawn do not count."""
        told = [] if self.runs == found.runs else [f"runs: {found.runs} for {self.runs}"]
        told += [f"tables: {set(self.tables) ^ set(found.tables)}"] * (set(self.tables) != set(found.tables))
        for key in set(self.tables) & set(found.tables):
            told += [f"{key}: {problem}" for problem in _unlike(self.tables[key], found.tables[key])]
        for name in self.orders.keys() | found.orders.keys():
            mine, other = (_settled(rows.get(name, [])) for rows in (self.orders, found.orders))
            told += [f"database, {name}: {len(other)} rows for {len(mine)}, or other values"] * (mine != other)
        return told


def _unlike(expected: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    if len(expected) != len(found) or list(expected) != list(found):
        return [f"{len(found)} rows for {len(expected)}"]
    told = []
    for column in expected.columns.drop(list(BY_CHANCE), errors="ignore"):
        left, right = expected[column], found[column]
        if left.dtype == float:  # sums add up in another order: equal but for the last digits
            same = np.allclose(left, right, rtol=1e-9, atol=0, equal_nan=True)
        else:
            same = repr(left.tolist()) == repr(right.tolist())
        told += [] if same else [f"column {column}"]
    return told


def _settled(rows: list[dict[str, object]]) -> list[str]:
    return sorted(str({name: _plain(value) for name, value in row.items() if name not in BY_CHANCE}) for row in rows)


def _plain(value: object) -> object:
    return f"{value:.9g}" if isinstance(value, float) else value
