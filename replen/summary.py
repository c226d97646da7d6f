"""What a planner reads at the end of a run: series, forecasters, orders, cost, proof, and where to look further."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

import replen.tables as t
from replen.config import Config
from replen.model_table import NO_FOLDS, PERIODS, legend, model_table
from replen.quality.report import counts
from replen.quality.verdict import STOP, WARN, breaches, told

LABEL = 13
LIMITS_SHOWN, CHECKS_SHOWN = 5, 8


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        counts: job -> counts, as `runs` holds them.
        metrics: rows of `tables.METRICS`.
        models: rows of `tables.MODELS`.
        policies: rows of `tables.POLICIES`.
        certificates: rows of `tables.CERTIFICATES`.
        orders: lines, units and value of all order lines, one row.
        exceptions: one row a kind: kind, severity, number and value at risk.
        checks: rows of `tables.QUALITY_CHECKS`.
        quality: one row a table and rule: number of rows.
    """

    run_id: str
    cutoff: object
    counts: Mapping[str, Mapping[str, int]]
    metrics: pd.DataFrame
    models: pd.DataFrame
    policies: pd.DataFrame
    certificates: pd.DataFrame
    orders: pd.DataFrame
    exceptions: pd.DataFrame
    checks: pd.DataFrame
    quality: pd.DataFrame


def summary(config: Config, outcome: Outcome) -> str:
    """Return the summary, lines of text with a label each."""
    sections = {
        "Run": [f"{config.name}, {outcome.run_id}, cutoff {outcome.cutoff}, {PERIODS[config.freq]}"],
        "Cleaned": list(_quality(outcome.quality)),
        "Data": list(_checks(outcome.checks)),
        "Series": list(_series(outcome.counts)),
        "Forecasters": list(_forecasters(config, outcome)),
        "Orders": list(_orders(config, outcome)),
        "Expected": list(_policies(config, outcome)),
        "Proof": list(_proof(outcome.certificates)),
        "Exceptions": list(_exceptions(config, outcome.exceptions)),
        "Look further": list(_places(config)),
    }
    lines = [f"{label if i == 0 else '':<{LABEL}}{line}" for label, rows in sections.items() for i, line in enumerate(rows)]
    return "\n".join(["", *lines, ""])


def _quality(quality: pd.DataFrame) -> Iterator[str]:
    for table, rule, n_rows in quality.itertuples(index=False):
        yield f"{n_rows:>10,}  {table}: {rule}"
    if quality.empty:
        yield "nothing was changed or refused"


def _checks(checks: pd.DataFrame) -> Iterator[str]:
    yield counts(checks)
    found = pd.concat([breaches(checks, level) for level in (STOP, WARN)]).to_dict("records")
    yield from (f"{check[t.LEVEL]}: {told(check)}" for check in found[:CHECKS_SHOWN])
    if len(found) > CHECKS_SHOWN:
        yield f"and {len(found) - CHECKS_SHOWN:,} more: replen quality"


def _series(n_by_job: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    forecast, plan = n_by_job["forecast"], n_by_job["plan_orders"]
    yield f"{forecast['series']:>10,}  in"
    yield f"{forecast['forecast']:>10,}  forecast"
    yield from (f"{count:>10,}  {name}" for name, count in sorted(forecast.items()) if name.startswith("not forecast"))
    yield f"{plan['planned']:>10,}  planned"
    for start in ("planned by", "not planned"):
        yield from (f"{count:>10,}  {name}" for name, count in sorted(plan.items()) if name.startswith(start))


def _forecasters(config: Config, outcome: Outcome) -> Iterator[str]:
    if outcome.metrics.empty:
        yield NO_FOLDS
        return
    yield from model_table(outcome.metrics, outcome.models)
    yield legend(config)


def _orders(config: Config, outcome: Outcome) -> Iterator[str]:
    lines, units, value = outcome.orders.astype(float).fillna(0).iloc[0]
    yield f"{lines:>10,.0f}  lines, {units:,.0f} units, {config.currency} {value:,.0f}"


def _policies(config: Config, outcome: Outcome) -> Iterator[str]:
    table = outcome.policies.set_index(str(t.POLICY))
    for policy, row in table.iterrows():
        cost, fill_rate = row[t.EXPECTED_COST], row[t.FILL_RATE]
        yield f"{policy:18}cost {config.currency} {cost:>14,.0f}   fill rate {fill_rate:.2%}"
    horizon = f"{config.plan.horizon} {PERIODS[config.freq]}"
    yield f"over {horizon}, on the same {config.plan.n_paths} fresh sample paths, what perishes thrown away in time"
    yield "plan: today's order as planned, later reviews by order-up-to levels, or by the series' rule"
    yield f"simple_rule: order-up-to levels for a cycle service level of {100 * config.plan.rule.cycle_service_level:g}%"


def _proof(certificates: pd.DataFrame) -> Iterator[str]:
    by_limit = certificates[certificates[t.DUAL_BOUND].isna()].sort_values(str(t.LIMIT_PRICE), ascending=False)
    for row in certificates.drop(by_limit.index).to_dict("records"):
        solvers = ", ".join(f"{name} {count:,}" for name, count in sorted(dict(row[t.SOLVER_COUNTS]).items()))
        within = "within the limits, " if len(by_limit) else ""
        yield (
            f"{within}no plan fixed today costs less than {row[t.DUAL_BOUND]:,.0f} on its paths, this one "
            f"{row[t.FEASIBLE_COST]:,.0f}: gap {abs(row[t.GAP]):.3%}"
        )
        yield f"series by solver: {solvers}"
    binding = by_limit[by_limit[t.LIMIT_PRICE] > 0]
    for row in binding.head(LIMITS_SHOWN).to_dict("records"):
        yield (
            f"limit {row[t.LIMIT_NAME]}: {row[t.USED]:,.4g} of {row[t.AVAILABLE]:,.4g} used, one more unit of it would save "
            f"about {row[t.LIMIT_PRICE]:,.4g}"
        )
    if len(by_limit):
        yield f"{len(by_limit):,} limits, {len(binding):,} of them bind"


def _exceptions(config: Config, exceptions: pd.DataFrame) -> Iterator[str]:
    for kind, severity, number, value in exceptions.itertuples(index=False):
        at_risk = f", {config.currency} {value:,.0f} at risk" if value > 0 else ""  # NaN: unknown
        yield f"{number:>10,}  {kind} ({severity}{at_risk})"
    if exceptions.empty:
        yield "none"


def _places(config: Config) -> Iterator[str]:
    yield f"tables     {config.warehouse}/orders, plan, explanations, exceptions, ... (Parquet with a Delta log)"
    if config.orders.database is not None:
        yield "database   " + config.orders.database.split("@")[-1]
    yield f"models     make ui, or: replen ui --set warehouse={config.warehouse}"
