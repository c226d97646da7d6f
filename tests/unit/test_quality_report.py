"""`replen quality`: the last run that was checked, and those before it."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import replen.tables as t
from replen.cli import main
from replen.config import Config
from replen.errors import TableError
from replen.overlays import load_config
from replen.quality.report import JOB, report
from replen.training_log import check_values

CONF = Path(__file__).parents[2] / "conf"
NUMBERS = pa.map_(pa.string(), pa.float64())
CHECKS = pa.schema([(name, pa.string()) for name in t.QUALITY_CHECKS.names])
for number, column in ((4, t.VALUE), (5, t.THRESHOLD), (8, t.MEASURED)):
    CHECKS = CHECKS.set(number, pa.field(str(column), NUMBERS if column == t.MEASURED else pa.float64()))


def committed(root: Path, run: str, cutoff: dt.date, level: str, value: float | None) -> None:
    """Write a run of two checks as the store and the run do."""
    rows = [
        (run, "null_share", "sales", "column=price", value, 0.5, level, "Fill it.", [("share", 0.1)]),
        (run, "gap_share", "sales", "site=a", 0.75, 0.5, "warn", "Close it.", []),
        (run, "gap_share", "sales", "site=b", 0.25, 0.5, "ok", "Nothing.", []),
    ]
    table = pa.table(
        [pa.array(column, CHECKS.field(i).type) for i, column in enumerate(zip(*rows, strict=True))], schema=CHECKS
    )
    path = root / t.QUALITY_CHECKS.name
    write_deltalake(str(path), table, mode="append", partition_by=[str(t.RUN_ID)])
    at = dt.datetime(2024, 7, 1, 5, tzinfo=dt.UTC)
    run_row = {
        t.RUN_ID: [run], t.JOB: [JOB], t.PRODUCER: [run], t.COMMITTED_AT: [at], t.CUTOFF: [cutoff],
        t.VERSIONS: pa.array([[(t.QUALITY_CHECKS.name, DeltaTable(path).version())]], pa.map_(pa.string(), pa.int64())),
        t.CONFIG: [json.dumps({"name": "test", "freq": "W"})],
    }  # fmt: skip
    write_deltalake(str(root / t.RUNS.name), pa.table({str(name): column for name, column in run_row.items()}), mode="append")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    committed(tmp_path, "second", dt.date(2024, 6, 24), "stop", 0.75)
    committed(tmp_path, "first", dt.date(2024, 6, 17), "ok", None)
    return load_config(CONF / "test.yaml", [f"warehouse={tmp_path}"])


def test_the_last_cutoff_is_shown_and_breaches_come_first(config: Config) -> None:
    lines = report(config.warehouse, ("test", "W"), history=False).splitlines()
    assert lines[0] == "test, second, cutoff 2024-06-24, checked 2024-07-01 05:00 UTC"
    assert lines[1] == "3 checks: 1 stop, 1 warn, 1 ok"
    assert lines[3].split() == ["null_share", "sales", "column=price", "0.75", "0.5", "stop", "Fill", "it."]
    assert lines[4].split() == ["gap_share", "sales", "site=a", "0.75", "0.5", "warn", "Close", "it."]
    assert len(lines) == 5, "a site without a breach is not shown"


def test_history_shows_earlier_values_oldest_first(config: Config) -> None:
    lines = report(config.warehouse, ("test", "W"), history=True).splitlines()
    assert lines[-2].split()[-2:] == ["2024-06-17", "2024-06-24"]
    assert lines[-1].split() == ["null_share", "sales", "column=price", "-", "0.75!!"]


def test_the_command_prints_it(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quality", "--config", str(CONF / "test.yaml"), "--set", f"warehouse={config.warehouse}"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == report(config.warehouse, ("test", "W"), history=False) + "\n"


def test_where_nothing_was_checked_the_error_says_what_to_run(config: Config) -> None:
    with pytest.raises(TableError, match="no run of other .W. has checked its data; run `replen check-quality`"):
        report(config.warehouse, ("other", "W"), history=False)


def test_metrics_are_values_of_whole_tables_and_counts_of_levels() -> None:
    rows = [
        ("r", "level_psi", "sales", "all", 0.25, 0.1, "warn", "", {}),
        ("r", "row_factor", "stock", "all", float("inf"), 2.0, "stop", "", {}),
        ("r", "stock_age_days", "stock", "all", None, 0.0, "ok", "", {}),
        ("r", "level_psi", "sales", "site=a", 0.5, 0.1, "warn", "", {}),
    ]
    found = {one.name: one.value for one in check_values(pd.DataFrame(rows, columns=t.QUALITY_CHECKS.names))}
    assert found == {"quality/warn": 2, "quality/stop": 1, "quality/sales/level_psi": 0.25}
    assert {one.value for one in check_values(pd.DataFrame(columns=t.QUALITY_CHECKS.names))} == {0}
