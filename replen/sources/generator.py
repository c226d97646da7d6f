"""The generator: writes a platform of any size as Parquet folders, one a table, straight from the executors.

Everything random is keyed by (seed, SKU, site), so the rows do not depend on partitions; a task makes whole blocks of products
with vectorised numpy and hands them to Spark as Arrow batches. `true_demand` is for scoring only.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
from pyspark.sql import SparkSession

from replen import tables as t
from replen.config import Generator, Sources, TableSource
from replen.errors import ConfigError, SourceError
from replen.sources import generator_master as master
from replen.sources import generator_periods as periods
from replen.sources.generator_folder import Folder
from replen.sources.generator_platform import Platform

VERSION = 1  # of the generated data: raise it when the same settings give other rows
MANIFEST = "generated.json"
BLOCKS_A_TASK = 32
Maker = Callable[[Platform, int], Iterator[pa.RecordBatch]]
MAKERS: dict[t.Table, Maker] = {
    t.SALES: periods.sales,
    t.BEHAVIOUR: periods.behaviour,
    t.PLANNED_PRICES: periods.planned_prices,
    t.CATALOGUE: master.catalogue,
    t.STOCK: master.stock,
    t.OPEN_ORDERS: master.open_orders,
    t.SUPPLY: master.supply,
    t.COSTS: master.costs,
    periods.TRUE_DEMAND: periods.true_demand,
    t.MARKET: periods.market,  # one block, whatever the number of products
}


def ensure_generated(spark: SparkSession, sources: Sources, *, freq: str, seed: int) -> str:
    """Return the folder of the generated tables, after writing them there if it does not hold them yet.

    The tables are written beside the folder and renamed when all are there, so a folder that exists is complete. A folder that
    the generator wrote with other settings is replaced; anything else in its place is left alone.

    Raises:
        ConfigError: `sources.path` is null.
        SourceError: `sources.path` holds something that the generator did not write.
    """
    if sources.path is None:
        raise ConfigError("config key sources.path: expected the folder to generate into, found null; set sources.path")
    manifest = manifest_of(sources.generator, freq=freq, seed=seed)
    folder = Folder(spark, sources.path)
    if folder.exists():
        found = folder.read(MANIFEST)
        if found is None:
            raise SourceError(
                f"{sources.path}: expected nothing, or data of the generator with its {MANIFEST}, found other files; "
                "set sources.path to a new folder, or sources.kind to files to read what is there"
            )
        if found == manifest:
            return sources.path
    unfinished = Folder(spark, f"{sources.path.rstrip('/')}.{hashlib.sha256(manifest.encode()).hexdigest()[:12]}.unfinished")
    unfinished.delete()
    generate(spark, sources.generator, freq=freq, seed=seed, folder=unfinished.name)
    unfinished.write(MANIFEST, manifest)
    folder.delete()
    unfinished.rename(folder)
    return sources.path


def generate(spark: SparkSession, settings: Generator, *, freq: str, seed: int, folder: str) -> None:
    """Write every table of the platform as a Parquet folder of its name."""
    platform = Platform(settings, freq, seed)
    for table, make in MAKERS.items():
        n_blocks = 1 if table == t.MARKET else platform.n_blocks
        n_tasks = min(n_blocks, max(spark.sparkContext.defaultParallelism, -(-n_blocks // BLOCKS_A_TASK)))
        blocks = spark.range(0, n_blocks, 1, n_tasks)
        rows = blocks.mapInArrow(partial(rows_of, platform=platform, make=make), table.ddl)
        rows.write.mode("overwrite").parquet(f"{folder}/{table.name}")


def rows_of(blocks: Iterator[pa.RecordBatch], *, platform: Platform, make: Maker) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the blocks whose numbers are given: what one task does."""
    for numbers in blocks:
        for block in numbers.column(0).to_pylist():
            yield from make(platform, block)


def manifest_of(settings: Generator, *, freq: str, seed: int) -> str:
    """Return, as JSON, everything the generated rows depend on."""
    facts = {"version": VERSION, "freq": freq, "seed": seed, "settings": settings.model_dump(mode="json")}
    return json.dumps(facts, indent=2, sort_keys=True)


def as_files(sources: Sources) -> Sources:
    """Return the section that reads the generated tables like any files; another kind of source is returned as it is."""
    if sources.kind != "generator":
        return sources
    return sources.model_copy(update={"kind": "files", "tables": table_sources(), "sales_rows": "periods"})


def table_sources() -> dict[str, TableSource]:
    """Return how the reader of files finds the generated input tables: a folder each, columns named as in `tables.py`."""
    return {
        table.name: TableSource(path=table.name, format="parquet", columns={name: name for name in table.names}, drop=())
        for table in MAKERS
        if table in t.INPUTS
    }
