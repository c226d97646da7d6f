"""Rows of a database, and rows of an earlier reading, as Parquet files of one folder; executors do the work."""

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from replen import tables as t
from replen.errors import SourceError
from replen.sources.database import READ, Rows, filesystem_of, write_part

_DONE_NAMES = ["file", str(t.N_ROWS), "problem"]
_DONE = f"file string, {t.N_ROWS} long, problem string"


def copy_parts(spark: SparkSession, rows: Rows, cuts: Sequence[str], *, snapshot: str | None, folder: str) -> int:
    """Return how many rows the parts have, each now a file of the folder, written by the task that read it.

    Raises:
        SourceError: the first problem.
    """
    filesystem, path = filesystem_of(folder)
    filesystem.create_dir(path, recursive=True)
    work = partial(_write_parts, rows=rows, cuts=tuple(cuts), snapshot=snapshot, folder=folder)
    done = spark.range(0, len(cuts), 1, len(cuts)).mapInArrow(work, _DONE).collect()
    problems = [row.problem for row in done if row.problem is not None]
    if problems:
        raise SourceError(problems[0])
    counted = {row.file for row in done}
    for file in filesystem.get_file_info(fs.FileSelector(path)):
        # A task that ran twice wrote two files, of which one counts.
        if file.base_name.startswith(READ) and file.base_name not in counted:
            filesystem.delete_file(file.path)
    return sum(row[t.N_ROWS] for row in done)


def rows_before(spark: SparkSession, folder: str, column: str, day: dt.date) -> DataFrame:
    """Return the rows of an earlier reading whose date lies before a day."""
    read = spark.read.parquet(folder)
    date = read[f"`{column.replace('`', '``')}`"]
    is_text = dict(read.dtypes)[column] == "string"  # of SQLite
    return read.where(date < F.lit(str(day) if is_text else day))


def copy_rows(rows: DataFrame, folder: str) -> int:
    """Return how many rows of an earlier reading now stand in a new folder."""
    rows.write.parquet(folder)
    return rows.sparkSession.read.parquet(folder).count()


def _write_parts(
    numbers: Iterator[pa.RecordBatch], *, rows: Rows, cuts: Sequence[str], snapshot: str | None, folder: str
) -> Iterator[pa.RecordBatch]:
    for batch in numbers:
        for number in batch.column(0).to_pylist():
            try:
                name, n_rows = write_part(rows, cuts[number], snapshot=snapshot, folder=folder)
                done: tuple[str | None, int, str | None] = (name, n_rows, None)
            except SourceError as error:  # a row, so that the driver raises it as it is
                done = (None, 0, str(error))
            columns = [
                pa.array([value], kind) for value, kind in zip(done, (pa.string(), pa.int64(), pa.string()), strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, _DONE_NAMES)
