"""The job that checks the data: its table, what it is compared with, and how it stops a run."""

import datetime as dt
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import replen.tables as t
from jobs import check_quality, ingest
from replen.config import Config
from replen.errors import QualityError, TableError
from replen.progress import Progress
from replen.quality.facts import ALL
from replen.quality.report import report
from replen.quality.verdict import STOP
from replen.spark.expiry import expire
from replen.spark.quality import checks_of
from replen.spark.run import Run, open_run
from tests.jobs.conftest import QUIET, small_config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HALF = {"level_factor": "median", "row_factor": "rows"}
STRICT = "quality.thresholds.level_factor={warn: 1.1, stop: 1.5}"


@pytest.fixture(scope="module")
def config(spark: "SparkSession", platform: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Return a configuration whose inputs are ingested and checked."""
    made = small_config(tmp_path_factory.mktemp("quality"), platform)
    ingest.run(spark, made, QUIET)
    check_quality.run(spark, made, QUIET)
    return made


@pytest.fixture(scope="module")
def before(spark: "SparkSession", config: Config) -> Run:
    """Return the run after committing one of the week before, whose series sold half as much in half as many rows."""
    jobs = open_run(spark, config)
    rows = checks_of(jobs)
    measured = [
        {key: number / (2 if HALF.get(name) == key else 1) for key, number in dict(values).items()}
        for name, values in zip(rows[t.NAME], rows[t.MEASURED], strict=True)
    ]
    halved = spark.createDataFrame(rows.assign(**{str(t.MEASURED): measured}), t.QUALITY_CHECKS.nullable_ddl)
    version, _ = jobs.store.write(t.QUALITY_CHECKS, halved, run_id="week before")
    by_job: dict[Any, dict[str, Any]] = {row[t.JOB]: row for row in jobs.store.rows(t.RUNS)}
    earlier = by_job["ingest"][t.CUTOFF] - dt.timedelta(days=7)
    same = {str(t.RUN_ID): "week before", str(t.PRODUCER): "week before", str(t.JOB_KEY): "week before", str(t.CUTOFF): earlier}
    for job, versions in (("ingest", {}), ("check_quality", {t.QUALITY_CHECKS.name: version}), ("plan_orders", {})):
        jobs.store.append(t.RUNS, by_job["ingest"] | same | {str(t.JOB): job, str(t.VERSIONS): versions})
    return jobs


def values_of(checks: pd.DataFrame, table: str = "sales") -> dict[str, float]:
    return dict(checks[(checks[t.TABLE] == table) & (checks[t.SEGMENT] == ALL)].set_index(str(t.NAME))[t.VALUE])


def test_a_first_run_is_checked_and_not_compared(spark: "SparkSession", config: Config) -> None:
    jobs = open_run(spark, config)
    checks = checks_of(jobs)
    assert list(checks.columns) == t.QUALITY_CHECKS.names
    assert not checks[[str(column) for column in t.QUALITY_CHECKS.key]].duplicated().any()
    assert STOP not in set(checks[t.LEVEL])
    sales = values_of(checks)
    assert sales["sales_age_days"] == 0
    found = jobs.read(t.QUALITY, "ingest").where(f"{t.TABLE} = 'sales'").toPandas().groupby(str(t.RULE))[t.N_ROWS].sum()
    n_rows = jobs.needed("ingest").counts["sales"]
    assert sales["duplicate_share"] == pytest.approx(found["key: equal rows"] / n_rows, abs=1e-9)
    (unknown,) = checks[checks[t.SEGMENT] == f"column={t.QUANTITY}"][t.VALUE].dropna()
    assert unknown == pytest.approx(found["quantity: below 0"] / n_rows, abs=1e-9)
    assert pd.isna(sales["level_factor"])
    assert {"column=price", "category=none"} & set(checks[t.SEGMENT])
    assert report(config.warehouse, (config.name, config.freq), history=True)


def test_drift_stops_the_run_once_told_and_can_be_overruled(spark: "SparkSession", config: Config, before: Run) -> None:
    strict, said = small_config(Path(config.warehouse), Path(str(config.sources.path)), STRICT), io.StringIO()
    with pytest.raises(QualityError, match=r"level_factor of sales \(all\): expected at most 1.5") as error:
        check_quality.run(spark, strict, Progress(said))
    assert "--set quality.stop=false" in str(error.value)
    assert "compared with run week before" in said.getvalue()
    jobs = open_run(spark, strict)
    assert jobs.committed("check_quality"), "the report is there although the run stopped"
    found = values_of(checks_of(jobs))
    assert found["level_factor"] == pytest.approx(2, rel=0.2)
    assert found["row_factor"] == pytest.approx(2, rel=0.1)
    assert found["zero_share_change"] < 0.1
    again = strict.model_copy(update={"quality": strict.quality.model_copy(update={"stop": False})})
    assert open_run(spark, again).run_id == jobs.run_id
    check_quality.run(spark, again, QUIET)


def test_thresholds_change_orders_and_no_model(config: Config) -> None:
    from replen.spark.keys import job_keys

    strict = small_config(Path(config.warehouse), Path(str(config.sources.path)), STRICT)
    old, new = (job_keys(one, "inputs", on_the_way=None) for one in (config, strict))
    assert {job for job in old if old[job] != new[job]} == {"check_quality", "plan_orders"}


def test_orders_need_checked_data(spark: "SparkSession", platform: Path, tmp_path: Path) -> None:
    jobs = open_run(spark, small_config(tmp_path, platform))
    with pytest.raises(TableError, match="has not committed check_quality; run `replen check-quality`"):
        checks_of(jobs)


def test_an_expiry_keeps_what_the_store_reads(spark: "SparkSession", config: Config, before: Run) -> None:
    """The run before came to orders and stays; the one after it is the last and stays; what it took over stays too."""
    kept = before.read(t.SALES, "ingest").count()
    policy = config.retention.model_copy(update={"runs": 1, "unfinished_days": 0})
    told = expire(config.warehouse, policy, dt.datetime.now(dt.UTC), dry_run=False, say=str)
    assert "runs expired" in told
    strict = small_config(Path(config.warehouse), Path(str(config.sources.path)), STRICT)
    jobs = open_run(spark, strict)
    assert jobs.read(t.SALES, "ingest").count() == kept
    assert len(checks_of(jobs))
    assert {row[t.RUN_ID] for row in jobs.store.rows(t.RUNS)} == {"week before", jobs.run_id}
