"""The generator on Spark: the tables of the contract, the same whatever the partitions, complete or not there."""

import json
from pathlib import Path

import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from replen import tables as t
from replen.config import Generator, Sources
from replen.errors import ConfigError, SourceError
from replen.overlays import load_config
from replen.sources import generator as g
from replen.sources.generator_periods import TRUE_DEMAND

BASE = load_config(Path(__file__).parents[2] / "conf" / "base.yaml").sources
SMALL = BASE.generator.model_copy(update={"n_skus": 20, "n_periods": 8, "n_future_periods": 3})
PLATFORM = BASE.generator.model_copy(update={"n_skus": 200, "n_sites": 2, "dirt_share": 0.0})


@pytest.fixture(scope="module")
def generated(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("platform")
    g.generate(spark, PLATFORM, freq="W", seed=3, folder=str(folder))
    return folder


@pytest.fixture
def few_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(g, "MAKERS", {table: g.MAKERS[table] for table in (t.SALES, t.OPEN_ORDERS)})


def sources(path: Path | None, settings: Generator = SMALL) -> Sources:
    return BASE.model_copy(update={"kind": "generator", "path": path and str(path), "generator": settings})


def rows(spark: SparkSession, folder: Path, table: t.Table) -> DataFrame:
    return spark.read.parquet(str(folder / table.name))


@pytest.mark.parametrize("table", list(g.MAKERS), ids=lambda table: table.name)
def test_tables_have_their_columns_and_unique_keys(spark: SparkSession, generated: Path, table: t.Table) -> None:
    written = rows(spark, generated, table)
    assert [(field.name, field.dataType.simpleString()) for field in written.schema] == [(c, c.type) for c in table.columns]
    keys = list(map(str, table.key))
    counts = written.agg(F.count("*"), F.count_distinct(*keys)).collect()[0]
    assert counts[0] == counts[1] > 0
    assert written.where(F.greatest(*(F.col(key).isNull().cast("int") for key in [*keys, keys[0]])) == 1).isEmpty()


def test_every_series_has_stock_supply_and_costs(spark: SparkSession, generated: Path) -> None:
    for table in (t.STOCK, t.SUPPLY, t.COSTS, t.PLANNED_PRICES, TRUE_DEMAND):
        assert rows(spark, generated, table).select(t.SKU, t.SITE).distinct().count() == 400
    catalogue = {row[t.SKU] for row in rows(spark, generated, t.CATALOGUE).collect()}
    assert catalogue == {f"SKU-{number:07d}" for number in range(200)}


@pytest.mark.usefixtures("few_tables")
def test_partitions_do_not_change_the_rows(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SMALL.model_copy(update={"n_skus": 1100})
    for n_blocks in (1, 5):
        monkeypatch.setattr(g, "BLOCKS_A_TASK", n_blocks)
        g.generate(spark, settings, freq="D", seed=3, folder=str(tmp_path / str(n_blocks)))
    for table in (t.SALES, t.OPEN_ORDERS):
        one, other = (rows(spark, tmp_path / str(n_blocks), table) for n_blocks in (1, 5))
        assert (len(one.inputFiles()), len(other.inputFiles())) == (5, 2)
        assert one.exceptAll(other).isEmpty()
        assert other.exceptAll(one).isEmpty()


@pytest.mark.usefixtures("few_tables")
def test_generated_once_and_again_only_for_other_settings(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "not yet" / "there"

    def files() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}

    assert g.ensure_generated(spark, sources(folder), freq="W", seed=1) == str(folder)
    first = files()
    assert json.loads((folder / g.MANIFEST).read_text())["seed"] == 1
    g.ensure_generated(spark, sources(folder), freq="W", seed=1)
    assert files() == first
    g.ensure_generated(spark, sources(folder), freq="W", seed=2)
    assert not set(files()) & set(first)
    assert [path.name for path in folder.parent.iterdir()] == ["there"]


@pytest.mark.usefixtures("few_tables")
def test_a_failure_leaves_nothing_that_looks_complete(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    make = g.MAKERS[t.OPEN_ORDERS]
    monkeypatch.setitem(g.MAKERS, t.OPEN_ORDERS, None)
    with pytest.raises(PythonException, match="NoneType"):
        g.ensure_generated(spark, sources(folder), freq="W", seed=1)
    assert not folder.exists()
    monkeypatch.setitem(g.MAKERS, t.OPEN_ORDERS, make)
    g.ensure_generated(spark, sources(folder), freq="W", seed=1)
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"sales", "open_orders"}


def test_a_folder_of_other_files_is_left_alone(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(SourceError, match="set sources.path to a new folder"):
        g.ensure_generated(spark, sources(tmp_path), freq="W", seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_place_is_needed(spark: SparkSession) -> None:
    with pytest.raises(ConfigError, match="sources.path"):
        g.ensure_generated(spark, sources(None), freq="W", seed=1)


def test_the_file_reader_finds_every_input_and_never_the_truth() -> None:
    found = g.table_sources()
    assert set(found) == {table.name for table in g.MAKERS} - {TRUE_DEMAND.name}
    assert found["sales"].columns["quantity"] == t.QUANTITY
