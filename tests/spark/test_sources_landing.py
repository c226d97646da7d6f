"""Tables of databases in the warehouse: read once for each state, late rows alone where asked, equal to files."""

import datetime as dt
import os
import secrets
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

import replen.tables as t
from jobs import ingest as ingest_job
from replen.config import Config, Sources
from replen.databases import database_url
from replen.errors import ReplenError, SourceError
from replen.overlays import load_config
from replen.progress import Progress
from replen.sources import landing
from replen.sources.ingest import ingest, read_sources
from replen.sources.landing import NEVER, identities, land, landed
from replen.spark.run import open_run
from tests.servers import Server

TODAY = dt.date(2024, 6, 1)
FIRST = dt.date(2024, 1, 1)
SUPPLY = {
    "supplier": "s",
    "lead_time_days": 14,
    "review_period_days": 7,
    "order_multiple": 1,
    "min_order_quantity": 0,
    "unit_cost_share": 0.5,
}
BASE = load_config(None)


def day(n: int) -> dt.date:
    return FIRST + dt.timedelta(days=n)


def write(database: str, *statements: str) -> None:
    engine = sa.create_engine(database_url(database, where="tests"))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def fill(database: str, rows: pd.DataFrame, name: str = "sales") -> None:
    """Make a table of these rows; text columns hold 50 characters."""
    engine = sa.create_engine(database_url(database, where="tests"))
    types = {column: sa.String(50) for column in rows if rows[column].dtype == object and isinstance(rows[column].iloc[0], str)}
    rows.to_sql(name, engine, index=False, dtype=types | ({"date": sa.Date()} if "date" in rows else {}))
    engine.dispose()


def some_sales(n: int = 400) -> pd.DataFrame:
    numbers = range(n)
    return pd.DataFrame(
        {
            "sku": [f"sku {i % 7}" for i in numbers], "site": "north", "date": [day(i // 7) for i in numbers],
            "quantity": [-1.0 if i % 50 == 3 else i % 5 / 2 for i in numbers],
            "price": [None if i % 9 == 0 else i % 3 + 0.25 for i in numbers],
        }
    )  # fmt: skip


def section(tables: dict[str, Any], **changes: Any) -> Sources:
    tree = BASE.sources.model_dump() | {"tables": tables, "assume": {"stock_cover_periods": 2, "supply": SUPPLY}} | changes
    return Sources.model_validate(tree)


def config(folder: Path, tables: dict[str, Any]) -> Config:
    return BASE.model_copy(update={"warehouse": str(folder / "warehouse"), "sources": section(tables)})


class Notes(list[str]):
    """What a reading told."""

    def read(self, spark: SparkSession, sources: Sources, folder: Path) -> pd.DataFrame:
        """Land the sources and return their sales, sorted."""
        found = land(spark, sources, str(folder), today=TODAY, note=self.append).tables["sales"]
        rows = spark.read.parquet(found.path).toPandas()
        return rows.sort_values(list(rows.columns)).reset_index(drop=True)


def from_database(database: str, **changes: Any) -> dict[str, Any]:
    return {"format": "database", "database": database, "table": "sales"} | changes


def test_a_database_gives_the_tables_that_files_of_its_rows_give(
    spark: SparkSession, postgresql_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP", postgresql_server.with_database("as_files").address)
    database, rows = "env:SHOP", some_sales()
    fill(database, rows)
    rows.to_parquet(tmp_path / "sales.parquet", index=False)
    cut = from_database(database, partition={"n": 3, "column": "date"})
    of_database = land(spark, section({"sales": cut}), str(tmp_path), today=TODAY, note=print)
    of_file = section({"sales": {"path": str(tmp_path / "sales.parquet"), "format": "parquet", "columns": {}, "drop": ()}})
    tables = []
    for sources in (of_database, of_file):
        read = ingest(read_sources(spark, sources, freq="W", cutoff=None, currency="GBP", rates={}, today=TODAY))
        frames = [read.tables[t.SALES.name], read.tables[t.CATALOGUE.name], read.quality]
        tables.append([sorted(map(str, frame.collect())) for frame in frames])
    assert tables[0] == tables[1]
    assert all(len(rows) >= 7 for rows in tables[0])


def test_rows_are_read_again_only_where_they_changed(spark: SparkSession, database: str, tmp_path: Path) -> None:
    fill(database, some_sales())
    sources, notes = section({"sales": from_database(database)}), Notes()
    assert identities(sources, str(tmp_path)) == {"sales": NEVER}
    first = notes.read(spark, sources, tmp_path)
    known = identities(sources, str(tmp_path))
    notes.read(spark, sources, tmp_path)
    assert identities(sources, str(tmp_path)) == known
    write(database, "UPDATE sales SET quantity = 77 WHERE quantity = 2")
    later = notes.read(spark, sources, tmp_path)
    assert identities(sources, str(tmp_path)) != known
    assert [note.split(" in ")[0] for note in notes] == [
        "sales: 400 rows read of sales", "sales: 400 rows of sales", "sales: 400 rows read of sales",
    ]  # fmt: skip
    assert (later["quantity"].astype(float) == 77).sum() == (first["quantity"].astype(float) == 2).sum() > 0


def test_late_rows_and_older_ones_that_were_kept_are_what_a_whole_reading_gives(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    fill(database, some_sales())
    late = section(
        {"sales": from_database(database, since={"column": "date", "overlap_days": 5}, partition={"n": 2, "column": "date"})}
    )
    whole, notes, others = section({"sales": from_database(database)}), Notes(), Notes()
    insert = "INSERT INTO sales (sku, site, date, quantity) VALUES"
    changes = [
        (f"UPDATE sales SET quantity = 91 WHERE date >= '{day(53)}'", "kept"),
        (f"{insert} ('new', 'north', '{day(70)}', 1), ('new', 'north', NULL, 2)", "kept"),
        (f"DELETE FROM sales WHERE date = '{day(70)}'", "kept"),
        (f"DELETE FROM sales WHERE date = '{day(3)}'", "read"),
        (f"{insert} ('far', 'north', '2999-01-01', 1)", "kept"),
        (f"{insert} ('next', 'north', '{day(71)}', 1)", "kept"),
    ]  # fmt: skip
    notes.read(spark, late, tmp_path)
    for statement, how in changes:
        write(database, statement)
        found, expected = notes.read(spark, late, tmp_path), others.read(spark, whole, tmp_path)
        pd.testing.assert_frame_equal(found, expected)
        assert ("older ones kept" in notes[-1]) == (how == "kept"), (statement, notes[-1])


INSERTED = "INSERT INTO sales (sku, site, date, quantity) VALUES ('{}', 'north', '{}', {})"
ADDED = st.builds(INSERTED.format, st.sampled_from(["new", "sku 1"]), st.integers(0, 90).map(day), st.integers(-2, 9))
GONE = st.builds("DELETE FROM sales WHERE date = '{}'".format, st.integers(0, 60).map(day))
CORRECTED = "UPDATE sales SET quantity = {} WHERE date >= date((SELECT max(date) FROM sales), '-{} days')"


@settings(max_examples=max(3, int(os.environ.get("REPLEN_FUZZ", "0")) // 100), deadline=None)
@given(
    days=st.lists(st.lists(ADDED, max_size=3) | st.lists(GONE, max_size=2), min_size=1, max_size=3),
    overlap=st.sampled_from([0, 5]),
    corrects=st.booleans(),
)
def test_what_changes_from_day_to_day_is_what_a_whole_reading_gives(
    spark: SparkSession, days: list[list[str]], overlap: int, corrects: bool
) -> None:
    with TemporaryDirectory() as made:
        folder, notes = Path(made), Notes()
        database = f"sqlite:///{folder}/shop.db"
        fill(database, some_sales())
        late = section({"sales": from_database(database, since={"column": "date", "overlap_days": overlap})})
        whole = section({"sales": from_database(database)})
        notes.read(spark, late, folder)
        for number, changes in enumerate(days):
            corrected = [CORRECTED.format(20 + number, overlap)] if corrects else []
            write(database, *corrected, *changes)
            pd.testing.assert_frame_equal(notes.read(spark, late, folder), notes.read(spark, whole, folder))


KILLS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%'", "SELECT pg_terminate_backend({})"
    ),
    "mariadb": (
        "SELECT id FROM information_schema.processlist WHERE info LIKE '%FROM%slow%' AND info LIKE '%date%<%' "
        "AND info NOT LIKE '%count(%' AND info NOT LIKE '%processlist%'", "KILL CONNECTION {}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KILLS)
def test_a_part_whose_connection_is_killed_is_read_again(
    spark: SparkSession, kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    monkeypatch.setenv("SHOP", server.with_database(f"killed_{secrets.token_hex(3)}").address)
    fill("env:SHOP", some_sales(200))
    wait = "pg_sleep(0.01)::text <> 'x'" if kind == "postgresql" else "sleep(0.01) = 0"
    write("env:SHOP", f"CREATE VIEW slow AS SELECT * FROM sales WHERE {wait}")
    slow = section({"sales": from_database("env:SHOP", table="slow", partition={"n": 2, "column": "date"})})
    find, kill = KILLS[kind]
    killed, ended = list[int](), threading.Event()

    def killing() -> None:
        engine = sa.create_engine(database_url("env:SHOP", where="tests"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            while not ended.wait(0.05) and not killed:
                for number in connection.exec_driver_sql(find.replace("%", "%%")).scalars().all()[:1]:
                    connection.exec_driver_sql(kill.format(number))
                    killed.append(number)
        engine.dispose()

    killer = threading.Thread(target=killing)
    killer.start()
    try:
        found = Notes().read(spark, slow, tmp_path)
    finally:
        ended.set()
        killer.join()
    assert len(killed) == 1
    pd.testing.assert_frame_equal(found, Notes().read(spark, section({"sales": from_database("env:SHOP")}), tmp_path / "other"))


def test_the_job_reads_databases_and_the_others_need_none(
    spark: SparkSession, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, some_sales())
    asked = config(tmp_path, {"sales": from_database(database)})
    before = open_run(spark, asked)
    assert before.committed("ingest") is None
    done = ingest_job.run(spark, asked, Progress())
    monkeypatch.setattr(landing, "described", None)  # a look at the database would fail now
    run = open_run(spark, asked)
    assert run.needed("ingest").producer == done.producer == run.run_id
    assert run.read(t.SALES, "ingest").count() > 0
    monkeypatch.undo()
    assert "s3cret" not in str([row[t.CONFIG] for row in run.store.rows(t.RUNS)])


def test_a_table_without_a_needed_column_names_what_it_has(spark: SparkSession, database: str, tmp_path: Path) -> None:
    fill(database, some_sales().rename(columns={"quantity": "units"}))
    wrong = from_database(database, columns={"price": "prize"}, since={"column": "dates", "overlap_days": 1})
    with pytest.raises(SourceError) as raised:
        Notes().read(spark, section({"sales": wrong}), tmp_path)
    message = str(raised.value)
    assert "3 problems" in message
    assert (
        "has no column 'quantity' to read 'quantity' from; found sku, site, date, units, price; set sources.tables.sales"
        in message
    )
    assert "has no column 'prize'" in message
    assert "sources.tables.sales.since.column: sales in " in message
    assert "did you mean 'date'?" in message


def test_rows_that_change_while_they_are_read_are_read_again(
    spark: SparkSession, mariadb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP", mariadb_server.with_database(f"busy_{secrets.token_hex(3)}").address)
    fill("env:SHOP", some_sales(20))
    sources, copied = section({"sales": from_database("env:SHOP")}), landing.copy_parts
    times = iter(range(10))

    def busy(*args: Any, **kwargs: Any) -> int:
        if next(times) < 1:
            write("env:SHOP", "INSERT INTO sales (sku, site, date, quantity) VALUES ('late', 'north', '2024-01-02', 3)")
        return copied(*args, **kwargs)

    monkeypatch.setattr(landing, "copy_parts", busy)
    assert len(Notes().read(spark, sources, tmp_path)) == 21
    monkeypatch.setattr(landing, "ATTEMPTS", 1)
    times = iter(range(10))
    with pytest.raises(SourceError, match="changed while they were read"):
        Notes().read(spark, sources, tmp_path / "other")


def test_what_executors_meet_is_one_sentence_and_nothing_becomes_visible(
    spark: SparkSession, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, some_sales(20))
    sources = section({"sales": from_database(database)})
    first = Notes().read(spark, sources, tmp_path)
    write(database, "DELETE FROM sales WHERE quantity = 1")
    parts = landing.parts
    monkeypatch.setattr(landing, "parts", lambda *args: [*parts(*args), "no_such_column = 1"])
    with pytest.raises(ReplenError, match=r"^sources\.tables\.sales: sales in .* cannot be read: ") as raised:
        Notes().read(spark, sources, tmp_path)
    assert "Traceback" not in str(raised.value)
    left = spark.read.parquet(landed(sources, str(tmp_path)).tables["sales"].path)
    assert left.count() == len(first)
