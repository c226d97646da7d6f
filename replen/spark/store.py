"""Table store: Parquet that Spark writes, versions in a Delta log, whole runs made visible by one row of `runs`.

Data folders are immutable: every write goes to a new folder below `<root>/<table>/data/` and becomes a version of the table by
one commit to its log. A table whose key holds `run_id` keeps the rows of every run, one partition a run, and the id stands in
the log, not in the files; the others hold the rows of the last run, older versions stay readable.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, PostCommitHookProperties
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

import replen.tables as t
from replen.errors import TableError
from replen.spark.lock import alone
from replen.tables import Table

T = TypeVar("T")
ATTEMPTS = 20
MADE_BY_ANOTHER = "already exists at that location"


class TableStore:
    """Reads and writes versions of tables below one root; knows nothing of jobs or runs."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = root.rstrip("/")

    def path(self, table: Table) -> str:
        """Return the folder of a table."""
        return f"{self.root}/{table.name}"

    def read(self, table: Table, *, version: int, run_id: str) -> DataFrame:
        """Return the rows of one run in one version of a table, in the table's columns."""
        uris = self.files(table, version=version, run_id=run_id)
        stored = _schema(table.without_run)
        rows = self.spark.read.schema(stored).parquet(*uris) if uris else self.spark.createDataFrame([], stored)
        return (rows.withColumn(t.RUN_ID, F.lit(run_id)) if _by_run(table) else rows).select(table.names)

    def files(self, table: Table, *, version: int, run_id: str) -> list[str]:
        """Return the data files of one run in one version of a table."""
        # By the folder, not by the version alone: two that overwrite an empty table at once both stand in the log.
        listed = DeltaTable(self.path(table), version=version).file_uris()
        return sorted(uri for uri in listed if f"/data/{run_id}-" in uri)

    def write(self, table: Table, rows: DataFrame, *, run_id: str) -> tuple[int, int]:
        """Write rows as a new version that replaces those of the same run (or all, where the key has no run).

        Returns:
            the version and its number of rows.
        """
        folder = f"data/{run_id}-{uuid.uuid4().hex[:8]}"
        rows.select(table.without_run.names).write.parquet(f"{self.path(table)}/{folder}")
        partition = {str(t.RUN_ID): run_id} if _by_run(table) else {}
        actions, n_rows = _add_actions(self.path(table), folder, partition)
        with self._alone(table):
            return _after_others(lambda: self._commit(table, actions, partition, folder)), n_rows

    def append(self, table: Table, row: Mapping[str, object]) -> None:
        """Append one row to a small table, atomically, without Spark; older rows have null in columns that are new."""
        schema = pa.schema(Schema.from_json(_schema(table).json()).to_arrow())
        rows = pa.Table.from_pylist([dict(row)], schema=schema)
        with self._alone(table):
            _after_others(lambda: write_deltalake(self.path(table), rows, mode="append", schema_mode="merge"))

    def rows(self, table: Table) -> list[dict[str, object]]:
        """Return all rows of a small table as dictionaries, without Spark; none where the table is not there yet."""
        try:
            listed: list[dict[str, object]] = (
                DeltaTable(self.path(table)).to_pyarrow_table().to_pylist(maps_as_pydicts="strict")
            )
        except TableNotFoundError:
            return []
        return listed

    def remove(self, folder: str) -> None:
        """Remove a folder that no version of a table refers to; nothing happens where there is none."""
        filesystem, path = _filesystem(folder)
        if filesystem.get_file_info(path).type == fs.FileType.Directory:
            filesystem.delete_dir(path)

    def _alone(self, table: Table) -> AbstractContextManager[None]:
        """Frame a commit: one after the other where the store has locks; elsewhere the log finds out, and it is made again."""
        return alone(self.root, f"commit-{table.name}", lambda _: None)

    def _commit(self, table: Table, actions: Sequence[AddAction], partition: Mapping[str, str], folder: str) -> int:
        path, schema = self.path(table), Schema.from_json(_schema(table).json())
        if not DeltaTable.is_deltatable(path):  # without rows: two that create it at once would both keep theirs
            DeltaTable.create(path, schema, mode="ignore", partition_by=list(partition) or None)
        log = DeltaTable(path)
        if json.loads(log.schema().to_json()) != json.loads(schema.to_json()):
            raise TableError(f"{path}: the table has other columns than this code writes; move the folder away and run again")
        filters = [(name, "=", value) for name, value in partition.items()] or None
        # By default a checkpoint takes log entries of 30 days ago away, and with them versions that `runs` refers to.
        keep = PostCommitHookProperties(cleanup_expired_logs=False)
        parts = list(partition) or None
        log.create_write_transaction(list(actions), "overwrite", schema, parts, filters, post_commithook_properties=keep)
        version = DeltaTable(path).version()
        # Another writer may have committed since: ours is the version that holds our folder.
        while actions and not any(folder in uri for uri in DeltaTable(path, version=version).file_uris()):
            version -= 1
        return version


def _after_others(commit: Callable[[], T]) -> T:
    """Return what a commit gave, made again where another writer came first: then nothing of it was made."""
    for _ in range(ATTEMPTS - 1):
        try:
            return commit()
        except DeltaError as error:
            if not (isinstance(error, CommitFailedError) or MADE_BY_ANOTHER in str(error)):
                raise
        time.sleep(random.uniform(0.01, 0.2))  # at random, or two meet again
    return commit()


def _schema(table: Table) -> StructType:
    """Return the table's Spark schema with every column nullable: the log describes data, the key is checked by jobs."""
    return cast("StructType", StructType.fromDDL(table.nullable_ddl))


def _by_run(table: Table) -> bool:
    return t.RUN_ID in table.key


def _filesystem(path: str) -> tuple[fs.FileSystem, str]:
    return fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)


def _add_actions(path: str, folder: str, partition: Mapping[str, str]) -> tuple[list[AddAction], int]:
    filesystem, base = _filesystem(path)
    listed = filesystem.get_file_info(fs.FileSelector(f"{base}/{folder}"))
    actions, total = [], 0
    for info in sorted((info for info in listed if info.base_name.endswith(".parquet")), key=lambda info: info.base_name):
        n_rows = pq.read_metadata(info.path, filesystem=filesystem).num_rows
        stats = json.dumps({"numRecords": n_rows})
        actions.append(
            AddAction(f"{folder}/{info.base_name}", info.size, dict(partition), int(time.time() * 1000), True, stats)
        )
        total += n_rows
    return actions, total
