"""Grouped stages: every row in one call, the same rows whatever the sizes, errors told as they were raised."""

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

import replen.tables as t
from replen.config import Spark
from replen.errors import PlanError
from replen.spark.buckets import bucket, per_batch, per_bucket, per_range, spread_sample
from replen.spark.failures import told_by_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

N_SERIES = 500


def sizes(partitions: int, buckets_per_group: int) -> Spark:
    return Spark(
        master=None,
        partitions=partitions,
        buckets_per_group=buckets_per_group,
        training_attempts=1,
        driver_memory="1g",
        settings={},
    )


def keys(spark: "SparkSession") -> "DataFrame":
    rows = [(f"sku-{number}", "sïte 'x'", "*") for number in range(N_SERIES)]
    return spark.createDataFrame(rows, "sku string, site string, stream string").withColumn(t.BUCKET, bucket())


def echo(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(n_in_call=len(rows))


def test_every_series_comes_through_once_whatever_the_sizes(spark: "SparkSession") -> None:
    ddl = "sku string, site string, stream string, bucket int, n_in_call int"
    for partitions, buckets_per_group in ((1, 4096), (3, 512), (2, 1)):
        rows = per_bucket(keys(spark), echo, ddl, sizes=sizes(partitions, buckets_per_group)).toPandas()
        assert sorted(rows[t.SKU]) == sorted(f"sku-{number}" for number in range(N_SERIES))
        assert (rows.groupby(rows[t.BUCKET] // buckets_per_group)["n_in_call"].nunique() == 1).all()


def test_every_series_comes_through_once_as_it_is_read(spark: "SparkSession") -> None:
    ddl = "sku string, site string, stream string, bucket int, n_in_call int"
    rows = per_batch(keys(spark).repartition(3), echo, ddl).toPandas()
    assert sorted(rows[t.SKU]) == sorted(f"sku-{number}" for number in range(N_SERIES))
    assert rows["n_in_call"].nunique() <= 3


def test_a_range_of_buckets_is_one_call_and_one_partition_in_order(spark: "SparkSession") -> None:
    def echo_in_arrow(rows: pa.Table) -> pa.Table:
        return rows.append_column("n_in_call", pa.array([rows.num_rows] * rows.num_rows, pa.int32()))

    ddl = "sku string, site string, stream string, bucket int, n_in_call int"
    found = per_range(keys(spark).repartition(5), echo_in_arrow, ddl, n_ranges=3)
    rows = found.withColumn("partition", F.spark_partition_id()).toPandas()
    assert sorted(rows[t.SKU]) == sorted(f"sku-{number}" for number in range(N_SERIES))
    assert (rows["partition"] == rows[t.BUCKET] * 3 // t.N_BUCKETS).all()
    assert (rows.groupby("partition")["n_in_call"].nunique() == 1).all()
    assert rows.groupby("partition")["n_in_call"].first().sum() == N_SERIES


def test_buckets_are_spread_and_depend_on_the_key_alone(spark: "SparkSession") -> None:
    rows = keys(spark).toPandas().set_index("sku")[t.BUCKET]
    again = keys(spark).repartition(7).toPandas().set_index("sku")[t.BUCKET]
    assert rows.sort_index().equals(again.sort_index())
    assert rows.between(0, t.N_BUCKETS - 1).all()
    assert rows.nunique() > N_SERIES / 2


def test_a_sample_is_whole_buckets_of_all_groups(spark: "SparkSession") -> None:
    every = keys(spark)
    for wanted in (None, N_SERIES // 2 + 1, N_SERIES * 2):
        assert spread_sample(every, wanted).count() == N_SERIES
    some = spread_sample(every, N_SERIES // 5).toPandas()
    assert set(some[t.BUCKET] % 5) == {0}
    assert 50 < len(some) < 150
    assert some[t.BUCKET].max() - some[t.BUCKET].min() > t.N_BUCKETS / 2


def refuse(rows: pd.DataFrame) -> pd.DataFrame:
    raise PlanError("costs, 2 rows: lost_sale_cost must be above unit_cost\n  - sku-1: raise it")


@pytest.mark.parametrize(
    "work",
    [
        lambda spark: per_bucket(keys(spark), refuse, "sku string", sizes=sizes(2, 4096)),
        lambda spark: per_batch(keys(spark), refuse, "sku string"),
    ],
)
def test_an_error_of_a_worker_is_told_as_it_was_raised(
    spark: "SparkSession", work: "Callable[[SparkSession], DataFrame]"
) -> None:
    with pytest.raises(PySparkException) as raised:
        work(spark).collect()
    told = told_by_worker(raised.value)
    assert isinstance(told, PlanError)
    assert str(told) == "costs, 2 rows: lost_sale_cost must be above unit_cost\n  - sku-1: raise it"
