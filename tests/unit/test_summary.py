"""The summary of an outcome made by hand: numbers add up, nothing is missing, nothing unknown is printed as a number."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.config import Config
from replen.features.segments import ALL
from replen.model_table import MEASURES
from replen.overlays import load_config
from replen.summary import Outcome, summary

CONF = Path(__file__).parents[2] / "conf"
RUN = "run_1"
PINBALL = {"lstm": 0.5, "moving_average": 0.75, "seasonal_naive": 1.25}
EXCEPTION_COLUMNS = ["kind", "severity", "number", "value"]
QUALITY_COLUMNS = ["table", "rule", "number"]


def metric_rows() -> list[tuple[object, ...]]:
    """Return, for each model, its overall metrics and decoys of one fold and of one segment."""
    places = [(ALL, ALL, 1.0), ("2024-01-01", ALL, 7.0), (ALL, "class=lumpy", 9.0)]
    return [
        (RUN, model, fold, segment, metric, factor * (pinball if metric == "pinball" else pinball / 10))
        for model, pinball in PINBALL.items()
        for fold, segment, factor in places
        for metric in MEASURES
    ]


@pytest.fixture
def config() -> Config:
    return load_config(CONF / "test.yaml", ["warehouse=somewhere", "orders.database=postgresql://me:secret@host/orders"])


@pytest.fixture
def outcome() -> Outcome:
    models = [(RUN, model, "1", "mlflow", {ALL: "best"} if model == "lstm" else {}, {}, 7.5) for model in PINBALL]
    policies = [(RUN, "plan", 4000.0, 90.0, 88.0, 0.975), (RUN, "simple_rule", 5000.0, 90.0, 86.0, 0.95)]
    return Outcome(
        run_id=RUN,
        cutoff="2024-01-29",
        counts={
            "forecast": {"series": 1200, "forecast": 1150, "not forecast: inactive": 40, "not forecast: no known sales": 10},
            "plan_orders": {
                "planned": 1100,
                "planned by hybrid": 60,
                "not planned: no_supply": 70,
                "not planned: inactive": 30,
            },
        },
        metrics=pd.DataFrame(metric_rows(), columns=t.METRICS.names),
        models=pd.DataFrame(models, columns=t.MODELS.names),
        policies=pd.DataFrame(policies, columns=t.POLICIES.names),
        certificates=pd.DataFrame(
            [(RUN, ALL, 8000.0, 8100.0, 0.0125, 0.0, 1, None, None, None, {"exact": 1000, "bound": 100})],
            columns=t.CERTIFICATES.names,
        ),
        orders=pd.DataFrame([(321, 4567.0, 89012.0)], columns=["lines", "units", "value"]),
        exceptions=pd.DataFrame(
            [("no_supply", "high", 70, np.nan), ("overstock", "low", 20, 1234.0)], columns=EXCEPTION_COLUMNS
        ),
        checks=pd.DataFrame(
            [
                (RUN, "null_share", "sales", "column=price", 0.75, 0.5, "warn", "Fill it.", {}),
                (RUN, "row_factor", "stock", ALL, 1.0, 1.25, "ok", "Nothing.", {}),
            ],
            columns=t.QUALITY_CHECKS.names,
        ),
        quality=pd.DataFrame([("sales", "duplicate", 11), ("catalogue", "no price", 2)], columns=QUALITY_COLUMNS),
    )


def counted(text: str) -> dict[str, int]:
    """Return what stands behind a number at the start of a line (after its label) -> the number."""
    found = re.findall(r"^(?:[A-Z][a-z]+)? +([\d,]+)  (\S.*)$", text, re.MULTILINE)
    return {name: int(number.replace(",", "")) for number, name in found}


def line_with(text: str, start: str) -> str:
    (line,) = [line for line in text.splitlines() if line[13:].startswith(start)]
    return line


def test_series_add_up(config: Config, outcome: Outcome) -> None:
    count = counted(summary(config, outcome))
    not_forecast = {name: number for name, number in count.items() if name.startswith("not forecast: ")}
    not_planned = {name: number for name, number in count.items() if name.startswith("not planned: ")}
    assert not_forecast == {"not forecast: inactive": 40, "not forecast: no known sales": 10}
    assert not_planned == {"not planned: inactive": 30, "not planned: no_supply": 70}
    assert count["in"] == 1200 == count["forecast"] + sum(not_forecast.values())
    assert count["in"] == count["planned"] + sum(not_planned.values())
    assert count["planned by hybrid"] == 60


def test_head_quality_and_places(config: Config, outcome: Outcome) -> None:
    text = summary(config, outcome)
    assert line_with(text, "test, run_1") == "Run          test, run_1, cutoff 2024-01-29, weeks"
    count = counted(text)
    assert (count["sales: duplicate"], count["catalogue: no price"]) == (11, 2)
    assert "somewhere/orders" in text
    assert line_with(text, "2 checks:").endswith("0 stop, 1 warn, 1 ok")
    assert "found 0.75. Fill it." in line_with(text, "warn: null_share of sales (column=price)")
    assert line_with(text, "database").endswith("host/orders")
    assert "secret" not in text
    assert "--set warehouse=somewhere" in line_with(text, "models ")


def test_forecasters_are_ranked_by_pinball_with_a_star_on_the_champion(config: Config, outcome: Outcome) -> None:
    text = summary(config, replace(outcome, metrics=outcome.metrics.sample(frac=1, random_state=1)))
    head = next(i for i, line in enumerate(text.splitlines()) if line.endswith("fit s"))
    rows = [line[13:] for line in text.splitlines()[head + 1 : head + 4]]
    assert [row[:20].strip() for row in rows] == ["lstm *", "moving_average", "seasonal_naive"]
    places = list(MEASURES).index("pinball")
    for row, pinball in zip(rows, PINBALL.values(), strict=True):
        values = [float(value) for value in row[20:].split()]
        expected = [pinball / 10] * len(MEASURES) + [7.5]
        expected[places] = pinball
        np.testing.assert_allclose(values, expected, atol=5e-5)
    assert "1 folds of 4 weeks" in line_with(text, "* champion")


def test_money_orders_policies_and_proof(config: Config, outcome: Outcome) -> None:
    text, currency = summary(config, outcome), config.currency
    assert counted(text)[f"lines, 4,567 units, {currency} 89,012"] == 321
    assert re.search(r"cost \S+ +4,000 +fill rate 97\.50%$", line_with(text, "plan "))
    assert re.search(r"cost \S+ +5,000 +fill rate 95\.00%$", line_with(text, "simple_rule "))
    assert "same 16 fresh sample paths" in line_with(text, "over 6 weeks")
    assert line_with(text, "no plan fixed today").endswith("less than 8,000 on its paths, this one 8,100: gap 1.250%")
    assert line_with(text, "series by solver").endswith("bound 100, exact 1,000")


def test_exceptions_say_what_is_at_risk_where_it_is_known(config: Config, outcome: Outcome) -> None:
    count = counted(summary(config, outcome))
    assert count["no_supply (high)"] == 70
    assert count[f"overstock (low, {config.currency} 1,234 at risk)"] == 20


def test_empty_frames(config: Config, outcome: Outcome) -> None:
    bare = replace(
        outcome,
        counts={"forecast": {"series": 0, "forecast": 0}, "plan_orders": {"planned": 0}},
        **{name: getattr(outcome, name).iloc[:0] for name in ("metrics", "policies", "certificates", "exceptions", "quality")},
    )
    text = summary(config, bare)
    labels = {line[:13].strip(): line[13:] for line in text.splitlines() if line[:13].strip()}
    assert labels["Cleaned"] == "nothing was changed or refused"
    assert labels["Forecasters"] == "no folds were asked for"
    assert labels["Exceptions"] == "none"
    assert "Proof" not in labels
    assert counted(text)["in"] == 0


def test_no_order_lines(config: Config, outcome: Outcome) -> None:
    """Sums over no rows are null in Spark, and NaN or None in the frame."""
    for nothing in (None, np.nan):
        orders = pd.DataFrame([(0, nothing, nothing)], columns=["lines", "units", "value"])
        text = summary(config, replace(outcome, orders=orders))
        assert counted(text)[f"lines, 0 units, {config.currency} 0"] == 0


def test_a_metric_that_no_model_has(config: Config, outcome: Outcome) -> None:
    """WAPE over folds without a sale has nothing to divide by."""
    metrics = outcome.metrics.copy()
    metrics.loc[metrics[t.METRIC] == "wape", t.VALUE] = np.nan
    assert "nan" not in summary(config, replace(outcome, metrics=metrics))


def test_nothing_is_nan(config: Config, outcome: Outcome) -> None:
    assert not re.search(r"\b(nan|none|nat|null)\b", summary(config, outcome), re.IGNORECASE)
