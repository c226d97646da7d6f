"""A generated platform: blocks of products at sites, and how their rows become Arrow batches in the columns of `tables.py`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Generator
from replen.sources.generator_demand import Demand, demand_of
from replen.sources.generator_products import BLOCK, Products, products_of
from replen.sources.generator_stock import Stock, Terms, stock_of, terms_of
from replen.sources.generator_world import Stage, World, keyed_rng, world_of

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Platform:
    """What every row is a pure function of."""

    settings: Generator
    freq: str
    seed: int
    world: World = field(init=False)

    def __post_init__(self) -> None:
        """Draw what all products share."""
        object.__setattr__(self, "world", world_of(self.settings, freq=self.freq, seed=self.seed))

    @property
    def n_blocks(self) -> int:
        """Return the number of blocks."""
        return -(-self.settings.n_skus // BLOCK)

    def products(self, block: int) -> Products:
        """Return the products of a block, past the last SKU too."""
        return products_of(block, self.world, settings=self.settings, seed=self.seed)

    def sites(self, block: int) -> Iterator["BlockAtSite"]:
        """Yield a block at each site."""
        products = self.products(block)
        for site in range(self.settings.n_sites):
            yield BlockAtSite(self, block, site, products)


@dataclass(frozen=True)
class BlockAtSite:
    """One block at one site; what is asked for is drawn once."""

    platform: Platform
    block: int
    site: int
    products: Products

    def rng(self, stage: Stage) -> np.random.Generator:
        """Return the random generator of a stage."""
        return keyed_rng(self.platform.seed, stage, self.block, self.site)

    @cached_property
    def demand(self) -> Demand:
        """Return what customers wanted."""
        platform = self.platform
        return demand_of(self.products, self.site, world=platform.world, block=self.block, seed=platform.seed)

    @cached_property
    def terms(self) -> Terms:
        """Return the terms of purchase."""
        platform = self.platform
        return terms_of(self.products, self.site, settings=platform.settings, block=self.block, seed=platform.seed)

    @cached_property
    def stock(self) -> Stock:
        """Return what the stock process makes of demand."""
        settings, world = self.platform.settings, self.platform.world
        return stock_of(self.demand, self.terms, self.products, world=world, settings=settings, rng=self.rng(Stage.STOCK))

    def rows(self, first: int = 0, last: int | None = None) -> tuple[IntArray, IntArray]:
        """Return place in the block and period of every row on sale within periods first .. last (excluded)."""
        places, periods = np.nonzero(self.products.live()[: self.n_kept, first:last])
        return places, periods + first

    @property
    def n_kept(self) -> int:
        """Return how many places of the block hold one of the n_skus."""
        return n_kept(self.products, self.platform.settings)

    def keys(self, places: IntArray) -> dict[str, object]:
        """Return SKU and site of rows."""
        return {t.SKU: sku_names(self.products).take(pa.array(places)), t.SITE: constant(site_name(self.site), len(places))}

    def dates(self, periods: IntArray) -> pa.Array:
        """Return the dates of rows."""
        return pa.array(self.platform.world.periods[periods])


def n_kept(products: Products, settings: Generator) -> int:
    """Return how many products of a block are among the n_skus."""
    return int((products.number < settings.n_skus).sum())


def sku_names(products: Products) -> pa.Array:
    """Return names like SKU-0000123."""
    return pa.array([f"SKU-{number:07d}" for number in products.number])


def site_name(site: int) -> str:
    """Return names like site-1."""
    return f"site-{site + 1}"


def constant(value: str, n_rows: int) -> pa.Array:
    """Return n_rows times the same text."""
    return pa.repeat(pa.scalar(value), n_rows)


def batch(table: t.Table, columns: Mapping[str, object]) -> pa.RecordBatch:
    """Return the columns as rows of the table, in its order and types; NaN is null where pandas or numpy wrote it."""
    types = [t.ARROW[column.type] for column in table.columns]
    arrays = [as_arrow(columns[name], kind) for name, kind in zip(table.names, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=table.names)


def as_arrow(values: object, kind: pa.DataType) -> pa.Array:
    """Return values in an Arrow type."""
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, type=kind, from_pandas=True)
