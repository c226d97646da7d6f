"""The sources section is checked, and its files identified, without a session."""

import os
from pathlib import Path

import pytest

from replen.config import DatabaseTable, Sources, TableSource
from replen.errors import ConfigError
from replen.overlays import load_config
from replen.sources.locate import check, fingerprint, table_path

BASE = load_config(None, ["sources.assume.stock_cover_periods=2"]).sources
SUPPLY = {
    "supplier": "s",
    "lead_time_days": 1,
    "review_period_days": 1,
    "order_multiple": 1,
    "min_order_quantity": 0,
    "unit_cost_share": 0.5,
}


def sources(folder: Path, **changes: object) -> Sources:
    (folder / "sales.csv").write_text("sku,site,date,quantity\n")
    tree = BASE.model_dump() | {"path": str(folder), "tables": {"sales": table("sales.csv")}}
    tree["assume"]["supply"] = SUPPLY
    return Sources.model_validate(tree | changes)


def table(path: str, columns: dict[str, str] | None = None, drop: tuple[str, ...] = ()) -> TableSource:
    return TableSource(path=path, format="csv", columns=columns or {}, drop=drop)


def test_a_complete_section_is_accepted(tmp_path: Path) -> None:
    check(sources(tmp_path))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "sources.tables.sales: expected {path, format, columns, drop} or {format: database, ...}, found none"),
        ({"sale": table("sales.csv")}, "sources.tables.sale: unknown table, did you mean 'sales'"),
        ({"sales": table("sales.csv", {"quantiy": "n"})}, "columns.quantiy: unknown column, did you mean 'quantity'"),
        ({"sales": table("sales.csv", {"quantity": "n"}, ("n",))}, "'n' is in sources.tables.sales.drop too"),
        ({"sales": table("nowhere.csv")}, "sources.tables.sales.path: .*nowhere.csv does not exist"),
        (
            {"sales": table("sales.csv"), "stock": table("sales.csv")},
            "assume.stock_cover_periods: contradicts sources.tables.stock",
        ),
    ],
)
def test_contradictions_name_their_key(tmp_path: Path, tables: dict[str, TableSource], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(sources(tmp_path, tables=tables))


def test_stock_and_supply_are_never_made_up_unasked(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"(?s)2 problems.*sources.tables.stock: expected.*sources.assume.stock_cover_periods.*supply"
    ):
        check(sources(tmp_path, assume={"stock_cover_periods": None, "supply": None}))


def of_database(**given: object) -> DatabaseTable:
    return DatabaseTable.model_validate({"format": "database", "database": "env:SHOP"} | given)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (of_database(), r"sources\.tables\.sales: expected either table .* or query, found none"),
        (of_database(table="a", query="SELECT 1"), "found both"),
        (of_database(table=".a"), r"sources\.tables\.sales\.table: expected name or schema.name, found '.a'"),
        (of_database(query=" ; "), r"sources\.tables\.sales\.query: expected a SELECT, found nothing"),
        (of_database(table="a", columns={"quantiy": "n"}), "columns.quantiy: unknown column, did you mean 'quantity'"),
        (table("../sales.csv"), r"sources\.tables\.sales\.path: expected a path below sources\.path, found \.\./sales\.csv"),
        (table("a/../../sales.csv"), "expected a path below sources.path"),
    ],
)
def test_a_table_that_can_be_nowhere_is_refused(tmp_path: Path, table: DatabaseTable | TableSource, message: str) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "sales.csv").write_text("sku\n")
    with pytest.raises(ConfigError, match=message):
        check(sources(tmp_path / "below", tables={"sales": table}))


def test_the_fingerprint_tells_rows_of_databases(tmp_path: Path) -> None:
    of = sources(tmp_path, tables={"sales": of_database(table="sales")})
    assert fingerprint(of, {"sales": "a"}) == fingerprint(of, {"sales": "a"}) != fingerprint(of, {"sales": "b"})


def test_online_retail_makes_its_own_sales(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="contradicts sources.kind online_retail"):
        check(sources(tmp_path, kind="online_retail"))
    with pytest.raises(ConfigError, match="sources.path: expected the Online Retail II file"):
        check(sources(tmp_path, kind="online_retail", path=None, tables={}))


def test_paths_are_below_the_root_unless_absolute(tmp_path: Path) -> None:
    of = sources(tmp_path)
    assert table_path(of, table("a/b.csv")) == f"{tmp_path}/a/b.csv"
    assert table_path(of, table("/data/b.csv")) == "/data/b.csv"
    assert table_path(of, table("s3://shop/b.csv")) == "s3://shop/b.csv"


def test_fingerprint_tells_contents_not_places(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    first = fingerprint(sources(here))
    assert fingerprint(sources(there)) == first
    os.utime(here / "sales.csv", (0, 0))
    assert fingerprint(sources(here)) == first
    changed = sources(there)
    (there / "sales.csv").write_text("sku,site,date,quantitY\n")
    assert fingerprint(changed) != first


def test_fingerprint_of_a_folder_sees_every_file(tmp_path: Path) -> None:
    of = sources(tmp_path, tables={"sales": table("parts")})
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.csv").write_text("a")
    first = fingerprint(of)
    (tmp_path / "parts" / "2.csv").write_text("a")
    assert fingerprint(of) != first


def test_fingerprint_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.csv does not exist"):
        fingerprint(sources(tmp_path, tables={"sales": table("nowhere.csv")}))
