"""The schema of the order database: migrations give what the code expects, and keep the rows there are."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from replen import tables as t
from replen.databases import connect
from replen.errors import ConfigError
from replen.notify.schema import metadata as outbox
from replen.orders import upgrade as module
from replen.orders.database import OrderDatabase
from replen.orders.schema import HEAD, LOCK, SCHEMA, WRITTEN, metadata
from replen.orders.upgrade import current, upgrade
from tests.unit.orders_written import DATE, frames, of_lines


def engine_of(setting):
    return connect(setting, where="orders.database")


def filled(engine, run):
    """Write a run as earlier code did: by inserts."""
    with engine.begin() as connection:
        for table in WRITTEN:
            for rows in filter(len, run[table.name]):
                known = rows.astype(object).where(rows.notna(), None)
                maps = {name: known[name].map(dict) for name in {"solver_counts"} & set(known)}
                status = {"status": "approved"} if table is t.ORDERS else {}
                records = known.assign(**maps, **status).to_dict("records")
                connection.execute(sa.insert(SCHEMA[table.name]), records)


def test_the_head_is_the_last_revision(tmp_path):
    settings = Config()
    settings.set_main_option("script_location", f"{module.Path(module.__file__).parent}/migrations")
    assert ScriptDirectory.from_config(settings).get_current_head() == HEAD


def test_migrations_give_the_schema_that_the_code_expects(database):
    engine = engine_of(database)
    assert current(engine) is None
    assert (upgrade(engine), upgrade(engine), current(engine)) == (None, HEAD, HEAD)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), [metadata, outbox]) == []
        assert connection.scalar(sa.select(sa.func.count()).select_from(LOCK)) == 1
        found = sa.inspect(connection)
        for table in SCHEMA.values():
            named = {check.name for check in table.constraints if isinstance(check, sa.CheckConstraint)}
            assert named <= {check["name"] for check in found.get_check_constraints(table.name)}


@pytest.mark.parametrize("has_revision", [True, False], ids=["of a revision", "older than revisions"])
def test_an_upgrade_keeps_the_rows(database, has_revision):
    engine = engine_of(database)
    upgrade(engine, to="0001")
    filled(engine, frames())
    if not has_revision:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
    assert upgrade(engine) == ("0001" if has_revision else None)
    orders = OrderDatabase(database)
    assert sorted(orders.read(t.ORDERS)[t.ORDER_QUANTITY]) == [6.0, 12.0, 18.0]
    assert set(orders.read(t.ORDERS)[t.STATUS]) == {"approved"}
    assert orders.read(t.EXPLANATIONS)[t.LIMIT_PRICES].tolist() == [{"a": 1.0, "budget": 0.5}] * 3
    assert orders.read(t.CERTIFICATES)[t.SOLVER_COUNTS].tolist() == [{"chain": 3}]
    assert orders.write_run("run", DATE, frames()).frozen == 3


def test_an_upgrade_that_fails_says_so_and_a_later_one_goes_on(database):
    engine = engine_of(database)
    upgrade(engine, to="0001")
    filled(engine, of_lines({"a": 5.0}))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET order_quantity = -5")
    with pytest.raises(ConfigError, match=rf"orders\.database: its tables cannot be brought to revision {HEAD}"):
        upgrade(engine)
    assert current(engine) == "0001"


@pytest.mark.parametrize("revision", [None, "0001", "9999"])
def test_a_server_without_the_schema_names_the_command(database, revision):
    engine = engine_of(database)
    if revision is None and engine.dialect.name == "sqlite":
        return  # an empty file gets its tables, see below
    if revision is not None:
        upgrade(engine, to="0001")
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    with pytest.raises(ConfigError, match=rf"orders\.database: .*{HEAD}, found {revision or 'none'}; run `replen db upgrade`"):
        OrderDatabase(database)


def test_an_empty_sqlite_file_gets_its_tables(tmp_path):
    setting = f"sqlite:///{tmp_path}/orders.db"
    OrderDatabase(setting)
    assert current(engine_of(setting)) == HEAD


def test_somebody_elses_orders_are_left_alone(database):
    engine = engine_of(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (number INTEGER)")
    with pytest.raises(ConfigError, match="orders there is not replen's"):
        upgrade(engine)
    assert sa.inspect(engine).get_table_names() == ["orders"]
