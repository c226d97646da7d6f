"""Two at once: the same job is done by one of them, other runs stand side by side, a dead holder's lock is free."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

import replen.tables as t
from replen.spark import store as store_module
from replen.spark.lock import alone
from replen.spark.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

WRITERS = 4


def test_the_same_work_is_never_done_twice_at_once(tmp_path: Path) -> None:
    inside, most, said = [0], [0], list[str]()

    def work(_: int) -> None:
        with alone(str(tmp_path), "job", said.append):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.05)
            inside[0] -= 1

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    assert most == [1]
    assert len(said) == WRITERS - 1
    assert all(f"process {os.getpid()} on " in text for text in said)
    assert not list((tmp_path / "locks").iterdir())


def test_other_work_does_not_wait(tmp_path: Path) -> None:
    with alone(str(tmp_path), "one", pytest.fail), alone(f"file://{tmp_path}", "other", pytest.fail):
        assert len(list((tmp_path / "locks").iterdir())) == 2


def test_what_a_killed_process_held_is_free_at_once(tmp_path: Path) -> None:
    holds, held = os.pipe()
    child = os.fork()
    if child == 0:
        with alone(str(tmp_path), "job", lambda _: None):
            os.write(held, b"1")
            time.sleep(600)
    os.read(holds, 1)
    waiting, done = threading.Event(), threading.Event()

    def wait() -> None:
        with alone(str(tmp_path), "job", lambda text: waiting.set() if f"process {child} " in text else None):
            done.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert waiting.wait(60)
    assert not done.is_set()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    waiter.join(60)
    assert done.is_set()


@pytest.mark.parametrize("has_locks", [True, False], ids=["folder", "object store"])
def test_runs_that_write_one_table_at_once_all_arrive(spark: "SparkSession", tmp_path: Path, has_locks: bool) -> None:
    """Of a table with rows of every run each finds its own; of one with the rows of the last run each finds its version."""
    store = TableStore(spark, str(tmp_path))
    ready = threading.Barrier(WRITERS)
    listed = store_module._add_actions

    def together(*arguments: Any) -> object:
        ready.wait(120)
        return listed(*arguments)

    def write(number: int) -> dict[str, tuple[int, int]]:
        run_id = f"run-{number}"
        return {table.name: store.write(table, rows(spark, table, run_id), run_id=run_id) for table in (t.EXCEPTIONS, t.COSTS)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "_add_actions", together)
        if not has_locks:
            patch.setattr(store_module, "alone", lambda *_: nullcontext())
        with ThreadPoolExecutor(WRITERS) as pool:
            written = list(pool.map(write, range(WRITERS)))
    for number, versions in enumerate(written):
        for table in (t.EXCEPTIONS, t.COSTS):
            found = store.read(table, version=versions[table.name][0], run_id=f"run-{number}").collect()
            assert [row[t.SKU] for row in found] == [f"run-{number}"], (
                table.name,
                versions,
                DeltaTable(store.path(table)).history(),
            )
    last = DeltaTable(store.path(t.EXCEPTIONS)).to_pyarrow_table().to_pylist()
    assert sorted(row[t.RUN_ID] for row in last) == [f"run-{number}" for number in range(WRITERS)]


def rows(spark: "SparkSession", table: t.Table, run_id: str) -> "DataFrame":
    values = {str(t.RUN_ID): run_id, str(t.SKU): run_id, str(t.SITE): "site", str(t.KIND): "kind"}
    return spark.createDataFrame([tuple(values.get(name) for name in table.names)], table.nullable_ddl)
