"""Sales and signals -> series: one row a series with arrays by period.

spark-submit jobs/build_features.py --config conf/cluster.yaml
"""

import datetime as dt
from dataclasses import replace
from functools import partial, reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.cli import job_main
from replen.config import Config
from replen.features.history import STATIC, SeriesInputs, series_rows
from replen.features.periods import Freq
from replen.progress import Progress
from replen.spark.buckets import bucket, by_range, per_range
from replen.spark.changes import CHANGED, KEY, Rows, changed_series
from replen.spark.run import Committed, Run, open_run

JOB = "build_features"
ORIGIN = "origin"
BY_SERIES = (t.SALES, t.PLANNED_PRICES, t.BEHAVIOUR)
ROWS_A_RANGE = 1_500_000
"""That a Python worker assembles at once: 100 MB or so in Arrow, some times as much while it works."""
MOST_BROADCAST = 2_000_000
"""Products that every executor gets whole; of more, series are moved to their products."""
ASSEMBLED = replace(t.SERIES, values=tuple(column for column in t.SERIES.values if column not in STATIC))


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of `series`; every series of `sales` is a row."""
    jobs = open_run(spark, config)
    with jobs.claim(JOB, progress.note) as done:
        return done or build(jobs, progress)


def build(jobs: Run, progress: Progress) -> Committed:
    """Assemble the series that changed, take the others from an earlier run, write them, commit them."""
    config = jobs.config
    read_in, n_files = jobs.needed("ingest"), config.spark.partitions
    cutoff, n_rows = read_in.cutoff, sum(read_in.counts[table.name] for table in BY_SERIES)
    inputs, others = since_earlier(jobs, {table: jobs.read(table, "ingest") for table in BY_SERIES}, progress)
    assemble = partial(assemble_series, freq=config.freq, last_period=cutoff, complete=config.sources.complete)
    rows = per_range(one_frame(inputs), assemble, ASSEMBLED, n_ranges=max(n_files, n_rows // ROWS_A_RANGE))
    rows = rows if others is None else rows.unionByName(others.drop(*STATIC))
    static = jobs.read(t.CATALOGUE, "ingest").select(t.SKU, *STATIC)
    few = F.broadcast(static) if read_in.counts[t.CATALOGUE.name] <= MOST_BROADCAST else static
    joined = rows.join(few, on=t.SKU, how="left")
    # In one order whatever the number of partitions: training reads the files as one stream. The ranges are told, not sampled:
    # that would assemble all series twice.
    jobs.write(t.SERIES, by_range(joined, n_files).sortWithinPartitions(t.BUCKET, *t.SERIES.key))
    return jobs.commit(JOB, cutoff=cutoff)


def since_earlier(jobs: Run, inputs: Rows, progress: Progress) -> tuple[Rows, DataFrame | None]:
    """Return the rows of series that changed since an earlier run up to the same cutoff, and its rows of the other series.

    Without such a run: all rows, and None.
    """
    earlier = jobs.earlier("ingest", JOB)
    if earlier is None:
        return inputs, None
    before = {table: jobs.read_of(earlier["ingest"], table) for table in inputs}
    changed = jobs.stage(CHANGED, changed_series(inputs, before))
    progress.note(f"assembled: {changed.count():,} series whose rows are not those of run {earlier[JOB].producer}")
    others = jobs.read_of(earlier[JOB], t.SERIES).join(changed, on=KEY, how="left_anti")
    return {table: rows.join(changed, on=KEY, how="left_semi") for table, rows in inputs.items()}, others


def one_frame(inputs: Rows) -> DataFrame:
    """Return the rows of all tables by series in one frame, told apart by `origin`: grouped together with one shuffle."""
    tagged = [inputs[table].withColumn(ORIGIN, F.lit(number).cast("byte")) for number, table in enumerate(BY_SERIES)]
    union = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), tagged)
    return union.withColumn(t.BUCKET, bucket())


def assemble_series(rows: pa.Table, *, freq: Freq, last_period: dt.date, complete: bool) -> pa.Table:
    """Return the series of a range of buckets from the rows of `one_frame`."""
    of_table = [rows.filter(pc.equal(rows[ORIGIN], number)).drop_columns(ORIGIN) for number in range(len(BY_SERIES))]
    sales, planned, behaviour = (some.to_pandas(strings_to_categorical=True, date_as_object=False) for some in of_table)
    inputs = SeriesInputs(sales=sales, planned_prices=planned, behaviour=behaviour)
    return series_rows(inputs, freq=freq, last_period=last_period, complete=complete)


if __name__ == "__main__":
    job_main(JOB)
