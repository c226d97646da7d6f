"""Forecasts + stock + supply + costs -> plan, orders, explanations, exceptions, certificates.

spark-submit jobs/plan_orders.py --config conf/cluster.yaml
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.cli import job_main
from replen.config import Config, CostRules, Orders
from replen.errors import ConfigError, TableError
from replen.evaluate.comparison import compare_with_rule
from replen.features.periods import Freq, period_dates, period_numbers
from replen.forecast.rows import paths_of_rows
from replen.orders.database import OrderDatabase, Written
from replen.orders.lines import with_order_ids
from replen.orders.patience import patiently
from replen.overlays import digest
from replen.plan.attempt import Terms, programs
from replen.plan.bucket import plan_bucket
from replen.plan.choice import Choice, Step
from replen.plan.costs import check_costs, fill_costs
from replen.plan.coupling import couple
from replen.plan.items import on_sale_by_step
from replen.plan.limits import Limits, limit_rows, read_limits
from replen.plan.policies.assigned import PROGRAM
from replen.plan.programs import Programs
from replen.plan.routes import transfers
from replen.plan.sharing import N_CELLS
from replen.plan.sourcing import by_preference, heads, series_numbers
from replen.plan.timing import PERIOD_DAYS, FloatArray
from replen.progress import Progress
from replen.quality.verdict import refuse_stopped
from replen.spark.buckets import per_bucket
from replen.spark.decisions import split_decisions
from replen.spark.items import planning_items, scope_values, with_orders
from replen.spark.passes import Passes
from replen.spark.quality import checks_of
from replen.spark.run import Committed, Run, open_run
from replen.spark.transfers import after, has_routes, network_items

JOB = "plan_orders"
INPUTS = (t.STOCK, t.OPEN_ORDERS, t.SUPPLY, t.COSTS, t.CATALOGUE, t.LIMITS)
IN_DATABASE = (t.ORDERS, t.EXPLANATIONS, t.EXCEPTIONS, t.CERTIFICATES)
ROWS_A_FRAME = 50_000
TO_DATABASE = "orders into the database"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of the plan's tables; every (sku, site) of forecasts and supply is planned or an exception."""
    jobs = open_run(spark, config)
    plan_date = plan_date_after(jobs.needed("forecast").cutoff, config.freq)
    ours = on_the_way(config.orders, plan_date)
    jobs = jobs.with_orders(digest(ours.to_csv(index=False)) if len(ours) else None)
    refuse_stopped(checks_of(jobs), config.quality)
    with jobs.claim(JOB, progress.note) as found:
        done = found or make_plan(jobs, plan_date, ours, progress)
    if config.orders.database is not None:
        database, days = OrderDatabase(config.orders.database), PERIOD_DAYS[config.freq]

        def write() -> Written:
            frames = {table.name: frames_of(jobs.read(table, JOB)) for table in IN_DATABASE}
            return database.write_run(done.producer, plan_date, frames, days=days)

        with progress.stage(TO_DATABASE):
            written = patiently(write, attempts=config.orders.attempts, note=progress.note)
        progress.note(
            f"database: {written.rows[t.ORDERS.name]:,} orders proposed, {sum(written.changed.values()):,} rows changed, "
            f"{written.frozen:,} approved orders left as they are"
        )
    return done


def on_the_way(settings: Orders, plan_date: dt.date) -> pd.DataFrame:
    """Return what earlier plan dates have on the way by the order database; no rows where there is none."""
    if settings.database is None:
        return pd.DataFrame()
    database = OrderDatabase(settings.database)
    ours = database.on_the_way(plan_date, without=settings.in_open_orders)
    database.engine.dispose()  # a plan may take hours, a connection may not last them
    return ours


def make_plan(jobs: Run, plan_date: dt.date, ours: pd.DataFrame, progress: Progress) -> Committed:
    """Plan every bucket, once where no limit binds, write the tables that come from it, commit them."""
    config = jobs.config
    tables = {table: jobs.read(table, "ingest") for table in INPUTS} | {t.FORECASTS: jobs.read(t.FORECASTS, "forecast")}
    tables[t.OPEN_ORDERS] = with_orders(tables[t.OPEN_ORDERS], ours)
    if len(ours):
        progress.note(f"on the way: {len(ours):,} orders of earlier plan dates in the database")
    planner = Planner(Terms.uncoupled(config.plan, plan_date, config.freq), config.costs, config.forecast.quantiles)
    moved = None
    if has_routes(tables[t.SUPPLY]):
        network = network_items(tables, config, plan_date)
        moved = jobs.stage(t.TRANSFERS, per_bucket(network, planner.transfers, t.TRANSFERS, sizes=config.spark))
        tables = after(moved, tables)
    items = planning_items(tables | {t.PLAN: last_plan(jobs, progress)}, config, plan_date)
    rows = limit_rows(tables[t.LIMITS].toPandas(), config.limits)
    limits = read_limits(rows, plan_date, horizon=config.plan.horizon, freq=config.freq)
    coupled, unused = None, tuple[str, ...]()
    if len(limits):
        items, planner = items.persist(), planner.under(limits)
        unused = limits.unused(scope_values(items))
        for label in unused:
            progress.note(f"limits: {label} changes nothing: no item has this scope_value")
        with Passes.over(items, planner.programs, len(limits), sizes=config.spark) as look:
            coupled = couple(
                look, limits.limits, minimums=limits.minimums, n_cells=N_CELLS, watch=noted(progress), sample=look.sample
            )
        planner = planner.choosing(coupled.choice)
    decisions = jobs.stage(t.DECISIONS, per_bucket(items, planner, t.DECISIONS, sizes=config.spark))
    items.unpersist()
    counts = reconcile(tables[t.FORECASTS], decisions)
    if not counts["planned"]:  # where nothing can be planned, costs that make no sense are the config's, not a row's
        check_costs(fill_costs(items.limit(ROWS_A_FRAME).toPandas(), config.costs, freq=config.freq))
    for table, frame in split_decisions(decisions, moved, coupled, limits, unused=unused, run_id=jobs.run_id).items():
        jobs.write(table, frame)
    return jobs.commit(JOB, cutoff=jobs.needed("forecast").cutoff, counts=counts)


def last_plan(jobs: Run, progress: Progress) -> DataFrame:
    """Return the plan of the last run before this one; no rows where there is none, or changing it costs nothing."""
    done = jobs.before(JOB, jobs.needed("forecast").cutoff) if jobs.config.plan.change_cost else None
    if done is None:
        return jobs.store.spark.createDataFrame([], t.PLAN.nullable_ddl).limit(0)  # which a join with it knows
    progress.note(f"last plan: run {done.producer}, cutoff {done.cutoff}")
    return jobs.read_of(done, t.PLAN)


def noted(progress: Progress) -> Callable[[Step], None]:
    """Return an observer of the coupling that says what each pass brought."""
    return lambda step: progress.note(
        f"limits, pass {step.number}: no plan costs less than {step.bound:,.0f}, this one {step.cost:,.0f}, "
        f"over the limits by up to {step.violation:,.0f}"
    )


@dataclass(frozen=True)
class Planner:
    """Plans one range of buckets: sample paths, program, packs; then plan and simple rule side by side on fresh paths."""

    terms: Terms
    costs: CostRules
    levels: tuple[float, ...]

    def under(self, limits: Limits) -> Self:
        """Return the planner of series that share limits, at prices of 0.

        Raises:
            ConfigError: some series are under rules, which do not know the limits.
        """
        if rules := self.terms.settings.policy.rules:
            raise ConfigError(
                f"plan.policy: limits are kept by the program alone, found {len(limits)} limits and the rules "
                f"{', '.join(rules)}: give every segment the policy program, or take the limits away"
            )
        return replace(self, terms=replace(self.terms, limits=limits))

    def choosing(self, choice: Choice) -> Self:
        """Return the planner at other prices of the limits."""
        return replace(self, terms=replace(self.terms, choice=choice))

    def programs(self, items: pd.DataFrame) -> list[Programs]:
        """Return the programs of items, for passes."""
        priced = self._priced(items)
        return programs(priced, self._paths(priced, 0), self.terms)

    def __call__(self, items: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.DECISIONS`, one a series; items are sources."""
        priced = self._priced(items)
        decisions = plan_bucket(priced, self._paths(priced, 0), self.terms)
        # Paths that the plan was not made on, or it would be flattered.
        fresh = self._paths(priced, 1)
        settings, calendar = self.terms.settings, self.terms.calendar
        return with_order_ids(compare_with_rule(decisions, priced, fresh, settings=settings, calendar=calendar))

    def transfers(self, items: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.TRANSFERS`; items are sources and routes of all sites of some SKUs."""
        priced, terms = self._priced(items), self.terms
        moved = transfers(priced, self._paths(priced, 0), terms.calendar, waits=terms.settings.waits)
        return with_order_ids(moved)[t.TRANSFERS.names]

    def _priced(self, items: pd.DataFrame) -> pd.DataFrame:
        return fill_costs(by_preference(items), self.costs, freq=self.terms.freq)

    def _paths(self, items: pd.DataFrame, draw: int) -> FloatArray:
        """Return sample paths of demand while a product is on sale, shape (n_items, n_paths, horizon), units.

        They are those of the series, whatever its source.
        """
        settings, horizon = self.terms.settings, self.terms.settings.horizon
        series = series_numbers(items)
        each = items.iloc[np.unique(heads(series))]
        drawn = paths_of_rows(each, levels=self.levels, n_paths=settings.n_paths, horizon=horizon, draw=draw)
        sold_in = on_sale_by_step(each, np.datetime64(self.terms.plan_date), horizon=horizon, freq=self.terms.freq)
        sold = np.multiply(drawn, sold_in[:, None, :], dtype=np.float64)
        return sold if len(each) == len(items) else sold[series]


def plan_date_after(cutoff: dt.date, freq: Freq) -> dt.date:
    """Return the day after the cutoff period ends."""
    date: dt.date = period_dates(np.atleast_1d(period_numbers(cutoff, freq) + 1), freq)[0].item()
    return date


def frames_of(rows: DataFrame) -> Iterator[pd.DataFrame]:
    """Yield rows as pandas frames of bounded size, partition by partition."""
    names = rows.columns
    batch: list[tuple[object, ...]] = []
    for row in rows.toLocalIterator(prefetchPartitions=True):
        batch.append(tuple(row))
        if len(batch) == ROWS_A_FRAME:
            yield pd.DataFrame(batch, columns=names)
            batch = []
    if batch:
        yield pd.DataFrame(batch, columns=names)


def reconcile(forecasts: DataFrame, decisions: DataFrame) -> dict[str, int]:
    """Return the counts of (sku, site) planned, by each rule too, and excepted, after checking that none was lost or doubled.

    Raises:
        TableError: a forecast has no decision, or a (sku, site) has two.
    """
    n_forecasts = forecasts.where(F.col(t.STREAM) == t.POOLED).count()
    reason = F.col(t.REASON)
    n_rows, n_distinct, n_planned, n_known = decisions.select(
        F.count("*"), F.count_distinct(t.SKU, t.SITE), F.count_if(reason.isNull()), F.count(t.MODEL)
    ).first() or (0, 0, 0, 0)
    if n_rows != n_distinct or n_known != n_forecasts:
        raise TableError(
            f"decisions: expected one row for each of {n_forecasts} forecasts, found {n_known} in {n_rows} rows of "
            f"{n_distinct} (sku, site)"
        )
    reasons = decisions.where(reason.isNotNull()).groupBy(t.REASON).count().collect()
    policies = decisions.where(reason.isNull() & (F.col(t.POLICY) != PROGRAM)).groupBy(t.POLICY).count().collect()
    by_rule = {f"planned by {policy}": count for policy, count in policies}
    return {"planned": n_planned, **by_rule, **{f"not planned: {why}": count for why, count in reasons}}


if __name__ == "__main__":
    job_main(JOB)
