"""Old runs leave the warehouse and nothing else does, wherever an expiry is interrupted."""

import datetime as dt
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, create_table_with_add_actions

import replen.tables as t
from replen.config import Retention
from replen.spark.expiry import expire, expired_runs
from replen.spark.lock import alone
from replen.warehouse import Row, committed_rows

NOW = dt.datetime.now(dt.UTC)
OLD = NOW - dt.timedelta(days=30)
RUNS = pa.schema(
    [
        (str(t.RUN_ID), pa.string()), (str(t.JOB), pa.string()), (str(t.JOB_KEY), pa.string()), (str(t.PRODUCER), pa.string()),
        (str(t.COMMITTED_AT), pa.timestamp("us", tz="UTC")), (str(t.CUTOFF), pa.date32()),
        (str(t.VERSIONS), pa.map_(pa.string(), pa.int64())), (str(t.COUNTS), pa.map_(pa.string(), pa.int64())),
        (str(t.CONFIG), pa.string()),
    ]
)  # fmt: skip


class Warehouse:
    """A warehouse written as the store writes it, without Spark: each table has one row, the run that wrote it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, table: t.Table, run: str) -> int:
        path, folder = self.root / table.name, f"data/{run}-{time.monotonic_ns():x}"
        (path / folder).mkdir(parents=True)
        by_run = t.RUN_ID in table.key
        pq.write_table(pa.table({"value": [run]}), path / folder / "part.parquet")
        partition = {str(t.RUN_ID): run} if by_run else {}
        size = (path / folder / "part.parquet").stat().st_size
        added = [AddAction(f"{folder}/part.parquet", size, dict(partition), int(time.time() * 1000), True, '{"numRecords": 1}')]
        names = [str(t.RUN_ID), "value"] if by_run else ["value"]
        schema = Schema([Field(name, PrimitiveType("string")) for name in names])
        if not DeltaTable.is_deltatable(str(path)):
            create_table_with_add_actions(str(path), schema, added, partition_by=list(partition) or None)
        else:
            filters = [(name, "=", value) for name, value in partition.items()] or None
            DeltaTable(path).create_write_transaction(added, "overwrite", schema, list(partition) or None, filters)
        return DeltaTable(path).version()

    def commit(
        self, run: str, job: str, versions: dict[str, int], at: dt.datetime, *, producer: str = "", name: str = "demo"
    ) -> None:
        config = json.dumps({"name": name, "freq": "W"})
        row = (run, job, f"key of {run}", producer or run, at, at.date(), list(versions.items()), [], config)
        rows = pa.table([[value] for value in row], schema=RUNS)
        write_deltalake(str(self.root / t.RUNS.name), rows, mode="append")

    def run(self, run: str, at: dt.datetime, *, name: str = "demo") -> None:
        """Write and commit a whole run."""
        self.commit(run, "ingest", {"stock": self.write(t.STOCK, run), "quality": self.write(t.QUALITY, run)}, at, name=name)
        self.commit(run, "plan_orders", {"exceptions": self.write(t.EXCEPTIONS, run)}, at, name=name)
        for place in ("staging", "checkpoints"):
            (self.root / place / run).mkdir(parents=True)

    def aged(self) -> None:
        """Make everything that was written as old as OLD."""
        for path in self.root.rglob("*"):
            os.utime(path, (OLD.timestamp(), OLD.timestamp()))

    def expire(self, *, dry_run: bool = False, say: Callable[[str], object] = str, **policy: float | None) -> str:
        given: dict[str, object] = {"days": None, "runs": None, "unfinished_days": 7, **policy}
        return expire(
            str(self.root), Retention.model_validate(given), NOW, dry_run=dry_run, say=lambda text: (say(text), None)[1]
        )

    def readable(self) -> set[tuple[str, str, str]]:
        """Return (run, table, what the table says) of all that `runs` refers to, having read the newest versions too."""
        found = set()
        for row in committed_rows(str(self.root)):
            for table, version in row[t.VERSIONS].items():
                log = DeltaTable(self.root / table, version=version)
                by_run = [(str(t.RUN_ID), "=", row[t.PRODUCER])] if log.metadata().partition_columns else None
                (value,) = log.to_pyarrow_table(filters=by_run)["value"].to_pylist()
                found.add((row[t.RUN_ID], table, value))
        for table in ("stock", "quality", "exceptions"):
            DeltaTable(self.root / table).to_pyarrow_table()
        return found

    def files(self) -> set[str]:
        return {
            str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file() and "runs" not in path.parts
        }


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Return a warehouse of four runs, the newest of which reads the stock of the oldest, and a job that never committed."""
    made = Warehouse(tmp_path / "warehouse")
    for number in range(1, 4):
        made.run(f"run{number}", OLD + dt.timedelta(days=number))
    stock = committed_rows(str(made.root))
    first = next(row for row in stock if row[t.RUN_ID] == "run1" and row[t.JOB] == "ingest")
    made.commit("run4", "ingest", dict(first[t.VERSIONS]), OLD + dt.timedelta(days=4), producer="run1")
    made.commit("run4", "plan_orders", {"exceptions": made.write(t.EXCEPTIONS, "run4")}, OLD + dt.timedelta(days=4))
    made.write(t.EXCEPTIONS, "died")
    made.write(t.STOCK, "died")
    made.aged()
    return made


KEPT_BY_ONE = {("run4", "stock", "run1"), ("run4", "quality", "run1"), ("run4", "exceptions", "run4")}


def test_what_a_kept_run_reads_stays_whoever_wrote_it(warehouse: Warehouse) -> None:
    assert len(warehouse.readable()) == 12
    warehouse.expire(runs=1)
    assert warehouse.readable() == KEPT_BY_ONE
    folders = {path.name.split("-")[0] for path in warehouse.root.glob("*/data/*")}
    assert folders == {"run1", "run4", "died"}  # that of `died` is the newest version of the stock, which other engines read
    assert not list((warehouse.root / "exceptions/data").glob("died-*"))
    assert DeltaTable(warehouse.root / "exceptions").to_pyarrow_table()[str(t.RUN_ID)].to_pylist() == ["run4"]
    assert not any((warehouse.root / "staging").iterdir())
    assert not any((warehouse.root / "checkpoints").iterdir())


def test_log_entries_go_as_far_as_no_run_reads_them(warehouse: Warehouse) -> None:
    for number in range(5, 8):
        warehouse.run(f"run{number}", OLD + dt.timedelta(days=number))
    warehouse.aged()
    warehouse.expire(runs=1)
    assert {run for run, *_ in warehouse.readable()} == {"run7"}
    entries = sorted(path.name[:20] for path in (warehouse.root / "stock/_delta_log").glob("*.json"))
    assert entries == [f"{DeltaTable(warehouse.root / 'stock').version():020}"]


def test_a_dry_run_says_the_same_and_removes_nothing(warehouse: Warehouse) -> None:
    before, said, done = warehouse.files(), list[str](), list[str]()
    told = warehouse.expire(dry_run=True, say=said.append, runs=1)
    assert warehouse.files() == before
    assert "3 runs expired, 1 kept" in told
    warehouse.expire(say=done.append, runs=1)
    assert [text.removeprefix("would ") for text in said] == done


def test_a_second_expiry_has_nothing_to_do(warehouse: Warehouse) -> None:
    warehouse.expire(runs=1)
    assert warehouse.expire(runs=1).startswith("0 runs expired, 1 kept; 0 steps")


def test_two_at_once_come_one_after_the_other(warehouse: Warehouse) -> None:
    said = list[str]()
    second = threading.Thread(target=warehouse.expire, kwargs={"say": said.append, "runs": 1})
    with alone(str(warehouse.root), "expire", pytest.fail):
        second.start()
        while not said:
            time.sleep(0.01)
        assert said[0].startswith("waiting for another process that does the same work: process")
        assert len(warehouse.readable()) == 12
    second.join(30)
    assert warehouse.readable() == KEPT_BY_ONE


def test_interrupted_between_any_two_steps_the_rest_is_readable_and_the_next_expiry_ends_the_same(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    class InterruptedError(BaseException):
        pass

    steps = list[str]()
    whole = Warehouse(tmp_path / "whole")
    shutil.copytree(warehouse.root, whole.root, copy_function=shutil.copy2)
    whole.expire(runs=1, say=steps.append)
    assert len(steps) > 10
    for number in range(1, len(steps) + 1):
        broken = Warehouse(tmp_path / f"broken{number}")
        shutil.copytree(warehouse.root, broken.root, copy_function=shutil.copy2)
        said = list[str]()

        def stop(text: str, said: list[str] = said, number: int = number) -> None:
            said.append(text)
            if len(said) == number:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            broken.expire(runs=1, say=stop)
        assert broken.readable() >= KEPT_BY_ONE, said[-1]
        broken.expire(runs=1)
        assert broken.readable() == KEPT_BY_ONE
        assert {path for path in broken.files() if "_delta_log" not in path} == {
            path for path in whole.files() if "_delta_log" not in path
        }


def test_a_trim_of_the_log_that_dies_half_way_leaves_the_rest_readable(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import fs

    for number in range(5, 8):
        warehouse.run(f"run{number}", OLD + dt.timedelta(days=number))
    warehouse.aged()
    deleted = list[str]()

    class HalfWay(fs.LocalFileSystem):
        def delete_file(self, path: str) -> None:
            if len(deleted) == 2:
                raise OSError("gone")
            deleted.append(path)
            super().delete_file(path)

    monkeypatch.setattr("replen.spark.expiry.open_root", lambda root: (HalfWay(), root))
    with pytest.raises(OSError, match="gone"):
        warehouse.expire(runs=1)
    assert {run for run, *_ in warehouse.readable()} == {"run7"}


def test_what_is_being_written_stays(warehouse: Warehouse) -> None:
    """A job under way has files, partitions and versions that no row of `runs` refers to yet."""
    version = warehouse.write(t.STOCK, "busy")
    partition = warehouse.write(t.EXCEPTIONS, "busy")
    series = warehouse.write(t.SERIES, "busy")
    for table in (t.STOCK, t.SERIES):
        warehouse.write(table, "later")
    (warehouse.root / "staging/busy/part").mkdir(parents=True)
    warehouse.expire(runs=1)
    assert (warehouse.root / "staging/busy/part").is_dir()
    warehouse.commit("busy", "plan_orders", {"stock": version, "series": series, "exceptions": partition}, NOW)
    assert {("busy", table, "busy") for table in ("stock", "series", "exceptions")} <= warehouse.readable()


def row(run: str, days: float, *, job: str = "plan_orders", name: str = "demo") -> Row:
    config = json.dumps({"name": name, "freq": "W"})
    return {str(t.RUN_ID): run, str(t.JOB): job, str(t.COMMITTED_AT): NOW - dt.timedelta(days=days), str(t.CONFIG): config}


@pytest.mark.parametrize(
    ("days", "runs", "gone"),
    [
        (None, None, ""),
        (10, None, "abc"),
        (None, 1, "abcd"),
        (None, 2, "abc"),
        (10, 3, "ab"),
        (25, 1, "a"),
        (0, None, "abcd"),
    ],
)
def test_the_policy(days: float | None, runs: int | None, gone: str) -> None:
    rows = [row("a", 40), row("b", 20), row("c", 15), row("d", 9), row("e", 1), row("other", 99, name="other")]
    policy = Retention(days=days, runs=runs, unfinished_days=7)
    assert expired_runs(rows, policy, NOW) == set(gone)


def test_the_last_run_with_orders_stays_beside_a_later_one_without() -> None:
    rows = [row("a", 40), row("b", 20), row("c", 1, job="train")]
    assert expired_runs(rows, Retention(days=None, runs=1, unfinished_days=7), NOW) == {"a"}


def test_a_run_is_as_old_as_its_last_job() -> None:
    rows = [row("a", 40, job="ingest"), row("a", 5), row("b", 1)]
    assert expired_runs(rows, Retention(days=10, runs=None, unfinished_days=7), NOW) == set()


def test_an_empty_warehouse_has_nothing_to_expire(tmp_path: Path) -> None:
    assert Warehouse(tmp_path / "none").expire(runs=1).startswith("0 runs expired, 0 kept")
