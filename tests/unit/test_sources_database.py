"""Rows of real databases as Arrow: every type, every odd value, each row in one part, and nothing written or told."""

import datetime as dt
import sqlite3
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from replen.config import DatabaseTable, Since
from replen.databases import database_url, engine_of
from replen.errors import ConfigError, SourceError
from replen.sources import database as reader
from replen.sources.database import Rows, connected, described, told, with_columns, write_part
from replen.sources.states import State, count_before, not_before, parts, state
from tests.servers import Server

TODAY = dt.date(2024, 3, 1)
NAMES = ["a,b", 'q"uote', "", "two\nlines", "\\N", "'); drop table x; --", "100% %s", "é🫖", "\\", " blank ", "NULL", "x" * 900]
COLUMNS = ["sku", "day", "sold_at", "units", "price", "rank", '100% odd `name"']
SINCE = Since(column="day", overlap_days=3)


def table(database: str, name: str = "sales", **changes: object) -> DatabaseTable:
    return DatabaseTable.model_validate({"format": "database", "database": database, "table": name} | changes)


def run(database: str, *statements: str) -> None:
    engine = sa.create_engine(database_url(database, where="tests"))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def fill(database: str, rows: list[dict[str, object]], name: str = "sales") -> None:
    """Make a table of sales with these rows."""
    columns = [
        sa.Column("sku", sa.String(1000)), sa.Column("day", sa.Date),
        sa.Column("sold_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")),
        sa.Column("units", sa.Double),
        sa.Column("price", sa.Numeric(12, 4)), sa.Column("rank", sa.BigInteger), sa.Column("100% odd `name\"", sa.Integer),
    ]  # fmt: skip
    stored = sa.Table(name, sa.MetaData(), *columns, mysql_charset="utf8mb4")
    engine = sa.create_engine(database_url(database, where="tests"))
    with engine.begin() as connection:
        stored.create(connection)
        if rows:
            connection.execute(sa.insert(stored), [dict.fromkeys(stored.columns.keys()) | row for row in rows])
    engine.dispose()


def opened(source: DatabaseTable, wanted: frozenset[str] = frozenset()) -> Rows:
    rows = described("sales", source)
    with told(rows), connected(rows) as connection:
        rows.server.begin(connection, snapshot=None)
        return with_columns(rows, connection, wanted)


def read(source: DatabaseTable, folder: Path, condition: str = "") -> list[dict[str, object]]:
    """Return all rows, part by part."""
    rows, found = opened(source), []
    with connected(rows) as connection:
        snapshot = rows.server.begin(connection, snapshot=None)
        for cut in parts(rows, connection, source.partition, condition):
            name, n_rows = write_part(rows, cut, snapshot=snapshot, folder=str(folder))
            part = pq.read_table(folder / name)
            assert part.num_rows == n_rows
            found += part.to_pylist()
    return found


def seen(source: DatabaseTable, since: Since | None = None) -> State:
    rows = opened(source)
    with connected(rows) as connection:
        rows.server.begin(connection, snapshot=None)
        return state(rows, connection, since, TODAY)


def as_read(database: str, row: dict[str, object]) -> dict[str, object]:
    """Return a row as Parquet would have it; of SQLite, whose columns have no types, as text."""
    price = None if row.get("price") is None else float(str(row["price"]))
    expected: dict[str, object] = {**dict.fromkeys(COLUMNS), **row}
    if not database.startswith("sqlite"):
        return expected | {"price": price}
    text = {name: None if value is None else str(value) for name, value in expected.items()}
    if row.get("sold_at") is not None:
        text["sold_at"] = f"{row['sold_at']:%Y-%m-%d %H:%M:%S.%f}"
    return text | {"price": price}


def test_every_value_comes_as_it_stands(database: str, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"sku": name, "rank": number} for number, name in enumerate(NAMES)]
    rows += [
        {}, {"sku": "d", "day": dt.date(2024, 2, 29), "sold_at": dt.datetime(2024, 2, 29, 23, 59, 58, 123456)},
        {"units": 0.1 + 0.2, "price": 12.3456, "rank": -(2**62)}, {"units": -1e300, "price": 0, '100% odd `name"': 7},
        {"day": dt.date(1970, 1, 1), "units": 5e-324}, {"day": dt.date(9999, 12, 31), "units": 1e15},
    ]  # fmt: skip
    fill(database, rows)
    found = read(table(database), tmp_path)
    for row in found:  # SQLite gives 0 for 0.0
        row["price"] = None if row["price"] is None else float(row["price"])
    expected = [as_read(database, row) for row in rows]
    assert sorted(str(sorted(row.items())) for row in found) == sorted(str(sorted(row.items())) for row in expected)


@pytest.mark.parametrize("column", ["day", "sold_at", "units", "rank", "sku", "price"])
def test_each_row_is_in_one_part(database: str, tmp_path: Path, column: str) -> None:
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=n % 7) for n in range(50)]
    rows: list[dict[str, object]] = [
        {
            "sku": f"s{n}", "day": None if n % 11 == 0 else day,
            "sold_at": None if n % 11 == 0 else dt.datetime(day.year, 1, day.day, n % 24),
            "units": n / 3, "price": n / 4, "rank": None if n == 5 else n,
        }
        for n, day in enumerate(days)
    ]  # fmt: skip
    fill(database, rows)
    for n_parts in (3, 17) if column == "day" else (4,):
        found = read(table(database, partition={"n": n_parts, "column": column}), tmp_path)
        assert sorted(row["sku"] for row in found) == sorted(f"s{n}" for n in range(50)), n_parts


def test_a_table_of_postgresql_is_cut_where_its_pages_lie(postgresql_server, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP", postgresql_server.with_database("pages").address)
    run(
        "env:SHOP",
        'CREATE SCHEMA "My Shop"',
        'CREATE TABLE "My Shop"."Sales" AS SELECT i AS rank FROM generate_series(1, 5000) i',
        'CREATE VIEW "My Shop".seen AS SELECT * FROM "My Shop"."Sales"',
    )
    cut = table("env:SHOP", "My Shop.Sales", partition={"n": 4})
    rows = opened(cut)
    with connected(rows) as connection:
        assert len(parts(rows, connection, cut.partition, "")) == 4
    assert sorted(row["rank"] for row in read(cut, tmp_path)) == list(range(1, 5001))
    with pytest.raises(ConfigError, match=r"sources\.tables\.sales\.partition\.column: My Shop\.seen in .* name one"):
        read(table("env:SHOP", "My Shop.seen", partition={"n": 4}), tmp_path)


def test_dates_that_no_reader_has_are_refused_by_the_rules(postgresql_server, mariadb_server, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP", postgresql_server.with_database("dates").address)
    run(
        "env:SHOP",
        "CREATE TABLE sales (day date, at timestamptz, units double precision, note jsonb, sold boolean, number numeric)",
        """INSERT INTO sales VALUES ('infinity', '-infinity', 'NaN', '{"a": [1]}', true, 'NaN'), """
        "('0044-03-15 BC', '2024-01-01 01:00+02', '-Infinity', NULL, false, 1.5), "
        "('12345-01-01', NULL, NULL, NULL, NULL, NULL)",
    )
    first, last = dt.date(1, 1, 1), dt.date(9999, 12, 31)
    found = read(table("env:SHOP"), tmp_path)
    assert [row["day"] for row in found] == [last, first, last]
    assert [row["at"] for row in found] == [dt.datetime(1, 1, 1), dt.datetime(2023, 12, 31, 23), None]
    assert [str(row["units"]) for row in found] == ["nan", "-inf", "None"]
    assert [(row["note"], row["sold"], str(row["number"])) for row in found] == [
        ('{"a": [1]}', True, "nan"), (None, False, "1.5"), (None, None, "None"),
    ]  # fmt: skip
    assert seen(table("env:SHOP")) == seen(table("env:SHOP"))
    monkeypatch.setenv("SHOP", mariadb_server.with_database("dates").address)
    run(
        "env:SHOP",
        "SET SESSION sql_mode = ''",
        "CREATE TABLE sales (day DATE, at DATETIME, stamp TIMESTAMP NULL, flag BIT(1), sold BOOLEAN)",
        "INSERT INTO sales VALUES ('0000-00-00', '2024-02-00 10:00:00', NULL, b'1', TRUE), (NULL, NULL, NULL, NULL, NULL), "
        "('2024-01-31', '2024-01-31 10:00:00', '2024-01-31 10:00:00', b'0', FALSE)",
    )
    found = read(table("env:SHOP"), tmp_path)
    assert [row["day"] for row in found] == [first, None, dt.date(2024, 1, 31)]
    assert [row["at"] for row in found] == [dt.datetime(1, 1, 1), None, dt.datetime(2024, 1, 31, 10)]
    assert [(row["flag"], row["sold"]) for row in found] == [(1, 1), (None, None), (0, 0)]


def test_a_query_is_read_as_it_is_written_and_cannot_write(database: str, tmp_path: Path) -> None:
    fill(database, [{"sku": "a%", "units": 1.0}, {"sku": "b", "units": 2.0}])
    source = table(
        database, query="SELECT sku, units * 2 AS twice FROM sales WHERE sku LIKE '%\\%' OR sku LIKE 'a%' -- all\n;", table=None
    )
    assert [(row["sku"], float(row["twice"])) for row in read(source, tmp_path)] == [("a%", 2.0)]
    rows = opened(table(database))
    with pytest.raises(sa.exc.DBAPIError), connected(rows) as connection:
        rows.server.begin(connection, snapshot=None)
        connection.exec_driver_sql("DELETE FROM sales")
    assert len(read(table(database), tmp_path)) == 2


def test_any_change_changes_the_state(database: str) -> None:
    day = dt.date(2024, 1, 10)
    fill(database, [{"sku": f"s{n}", "day": day - dt.timedelta(days=n), "units": 1.0} for n in range(8)])
    source, states = table(database), []
    changes = [
        "UPDATE sales SET price = 1 WHERE price IS NULL", "UPDATE sales SET units = 2 WHERE sku = 's7'",
        "UPDATE sales SET sku = 'S7' WHERE sku = 's7'", "UPDATE sales SET sku = NULL WHERE sku = 'S7'",
        "UPDATE sales SET sku = 'NULL' WHERE sku IS NULL", "DELETE FROM sales WHERE sku = 's3'",
        "INSERT INTO sales (sku) SELECT sku FROM sales", "DELETE FROM sales",
    ]  # fmt: skip
    for statement in changes:
        states.append(seen(source))
        assert seen(source) == states[-1]
        run(database, statement)
    states.append(seen(source))
    assert len(set(states)) == len(states)


def test_the_state_of_late_rows_leaves_old_ones_out(database: str) -> None:
    day = dt.date(2024, 1, 10)
    fill(
        database,
        [{"sku": f"s{n}", "day": day - dt.timedelta(days=n), "units": 1.0} for n in range(8)]
        + [{"sku": "future", "day": dt.date(2999, 1, 1)}],
    )
    first = seen(table(database), SINCE)
    assert (first.n_rows, first.newest) == (9, day)
    run(database, "UPDATE sales SET units = 9 WHERE sku = 's7'")
    assert seen(table(database), SINCE) == first
    for statement in (
        "UPDATE sales SET units = 9 WHERE sku = 's3'",
        "UPDATE sales SET units = 9 WHERE sku = 'future'",
        "DELETE FROM sales WHERE sku = 's7'",
    ):
        before = seen(table(database), SINCE)
        run(database, statement)
        assert seen(table(database), SINCE) != before
    rows = opened(table(database))
    with connected(rows) as connection:
        rows.server.begin(connection, snapshot=None)
        assert count_before(rows, connection, SINCE, day - dt.timedelta(days=3)) == 3
        assert not_before(rows, SINCE, day).count("2024-01-10") == 1


def test_what_cannot_be_read_names_table_key_and_remedy(database: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(reader, "PAUSE", 0.01)
    fill(database, [{"sku": "a"}])
    with pytest.raises(SourceError, match=r"sources\.tables\.sales: salse in .* cannot be read: .*did you mean 'sales'\?"):
        opened(table(database, "salse"))
    with pytest.raises(SourceError, match=r"sources\.tables\.sales: the query in .* cannot be read"):
        opened(table(database, query="SELEKT 1", table=None))
    rows = opened(table(database))
    run(database, "DROP TABLE sales")
    with pytest.raises(SourceError, match="cannot be read.*right to SELECT"):
        write_part(rows, "", snapshot=None, folder=str(tmp_path))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://shop", "expected a database of one of postgresql, mysql, mariadb, sqlite, found oracle"),
        ("sqlite:///nowhere.db", "nowhere.db does not exist"),
        ("sqlite://", "does not exist"),
        ("mysql+pymysql://u:s3cret@127.0.0.1/x", "a password stands in the configuration"),
        ("mysql+pymysql://127.0.0.1/x?password=s3cret", "a password stands in the configuration"),
    ],
)
def test_a_setting_that_gives_no_readable_database_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        described("sales", table(url))
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://replen:s3cret@127.0.0.1:1/shop", "mysql+pymysql://replen:s3cret@127.0.0.1:1/shop"]
)
def test_a_server_that_is_not_there_is_told_without_its_password(url: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP", url)
    monkeypatch.setattr(reader, "PAUSE", 0.01)
    rows = described("sales", table("env:SHOP"))
    with pytest.raises(
        SourceError, match=r"sources\.tables\.sales: sales in .*replen:\*\*\*@127.0.0.1:1/shop cannot be read"
    ) as raised:
        write_part(rows, "", snapshot=None, folder=str(tmp_path))
    assert "s3cret" not in str(raised.value) + repr(rows) + repr(table("env:SHOP"))


TLS = {
    "postgresql": ("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", {"sslmode": "verify-full"}, "sslrootcert"),
    "mariadb": (
        "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
        {},
        "ssl_ca",
    ),
}


@pytest.mark.parametrize("kind", TLS)
def test_connections_are_encrypted_and_the_server_verified(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    asked, verify, authority = TLS[kind]

    def encrypted(url: sa.URL) -> bool:
        engine = engine_of(url)
        try:
            with engine.connect() as connection:
                return bool(connection.exec_driver_sql(asked).scalar_one())
        finally:
            engine.dispose()

    verified = server.url.update_query_dict(verify | {authority: str(server.certificate)})
    assert encrypted(server.url)
    assert encrypted(verified)
    strange = tmp_path / "other.crt"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "key"]
    subprocess.run([*made, "-out", strange], check=True, capture_output=True)
    for other in (verified.set(host="localhost"), verified.update_query_dict({authority: str(strange)})):
        with pytest.raises(sa.exc.OperationalError, match=r"certificate|CERTIFICATE"):
            encrypted(other)


def test_the_right_to_select_is_enough(postgresql_server: Server, mariadb_server: Server, tmp_path: Path, monkeypatch) -> None:
    of_each = {
        postgresql_server.with_database("rights"): [
            "CREATE ROLE planner LOGIN PASSWORD 'pw'",
            "GRANT SELECT ON sales TO planner",
        ],
        mariadb_server.with_database("rights"): [
            "CREATE USER planner@'127.0.0.1' IDENTIFIED BY 'pw' REQUIRE SSL",
            "GRANT SELECT ON rights.sales TO planner@'127.0.0.1'",
        ],
    }
    for server, grants in of_each.items():
        monkeypatch.setenv("SHOP", server.address)
        fill("env:SHOP", [{"sku": "a", "day": TODAY}])
        run("env:SHOP", *grants)
        monkeypatch.setenv("SHOP", server.url.set(username="planner", password="pw").render_as_string(hide_password=False))
        assert [row["sku"] for row in read(table("env:SHOP", partition={"n": 2, "column": "day"}), tmp_path)] == ["a"]
        assert seen(table("env:SHOP"), SINCE).n_rows == 1


def test_a_lost_connection_is_opened_again_a_few_times(database: str, tmp_path: Path, monkeypatch) -> None:
    fill(database, [{"sku": "a"}, {"sku": "b"}])
    rows, tried = opened(table(database)), []
    stream = rows.server.stream

    def breaks(connection: sa.Connection, query: str, schema: pa.Schema):
        tried.append(query)
        for batch in stream(connection, query, schema):
            yield batch.slice(0, 1)
            if len(tried) < 3:
                raise connection.dialect.dbapi.OperationalError("the server went away")
            yield batch.slice(1)

    monkeypatch.setattr(rows.server, "stream", breaks)
    monkeypatch.setattr(reader, "PAUSE", 0.01)
    name, n_rows = write_part(rows, "", snapshot=None, folder=str(tmp_path))
    assert (n_rows, len(tried)) == (2, 3)
    assert pq.read_table(tmp_path / name).num_rows == 2
    tried.extend([""] * -10)
    monkeypatch.setattr(reader, "ATTEMPTS", 2)
    tried.clear()
    with pytest.raises(SourceError, match="the server went away; see that the server can be reached"):
        write_part(rows, "", snapshot=None, folder=str(tmp_path))


def test_reading_a_file_of_sqlite_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()
    assert engine_of(sa.make_url(f"sqlite:///{path}")).dialect.name == "sqlite"
