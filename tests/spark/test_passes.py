"""Passes of the coupling: what Spark adds up over partitions is what the driver adds up; a sample where series are many."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.plan.choice import Choice
from replen.plan.prepared import Prepared
from replen.plan.programs import Programs
from replen.plan.sharing import N_CELLS, Sharing
from replen.spark import passes
from tests.spark.test_buckets import keys, sizes
from tests.unit.plan_instances import positions
from tests.unit.test_limits import items_of, read, rule

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HORIZON = 6
LIMITS = read(HORIZON, orders=rule(), space=rule(kind="volume", counted="stock"))


def programs(keys: pd.DataFrame) -> list[Programs]:
    """Return programs of series whose demand depends on their bucket."""
    n = len(keys)
    found = positions(n, HORIZON, unit_cost=2.0, lost_sale_cost=9.0, backorder_cost=1.0, end_value=1.5)
    demand = np.random.default_rng(1).poisson(1 + keys[t.BUCKET].to_numpy() % 9, (8, HORIZON, n)).transpose(1, 2, 0)
    ready = Prepared.of(found, demand.astype(float), waits=True, safety_stock=None)
    return [Programs.of(ready, Sharing.of(items_of(found), LIMITS, found), np.arange(n))]


def test_partitions_add_up_to_what_the_driver_finds(spark: "SparkSession", monkeypatch: pytest.MonkeyPatch) -> None:
    rows, choice = keys(spark), Choice.at(np.full(len(LIMITS), 0.1), N_CELLS)
    with passes.Passes.over(rows, programs, len(LIMITS), sizes=sizes(3, 512)) as look:
        assert (look.n_sources, look.sample) == (rows.count(), None)
        alone = look(choice)
        monkeypatch.setattr(passes, "FEW", 60)
        monkeypatch.setattr(passes, "MANY", 480)
        del look.__dict__["few"]
        together, some = look(choice), look.sample
        assert some is not None
        part = some(choice)
    assert alone.usage.sum() > 0
    for name in ("bound", "cost", "usage"):
        np.testing.assert_allclose(getattr(together, name), getattr(alone, name), rtol=1e-9)
    assert 0 < part.usage[:, 0].sum() < 0.5 * together.usage[:, 0].sum()
