"""Each command gets by with the rights that docs/orders.md gives it, and nobody can rewrite what was done."""

import pytest
import sqlalchemy as sa

from replen import tables as t
from replen.cli import main
from replen.databases import connect, database_url
from replen.errors import TableError
from replen.orders.database import OrderDatabase
from replen.orders.schema import WRITTEN
from tests.unit.orders_written import DATE, frames, id_of, statuses, upgraded

pytestmark = pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)  # SQLite knows no users
TABLES = [*(table.name for table in WRITTEN), "plan_runs", "order_events", "order_lock", "alembic_version"]
RIGHTS = {
    "planner": {"SELECT": [*TABLES[:5], "order_lock", "alembic_version"], "INSERT": TABLES[:5], "DELETE": TABLES[:5],
                "UPDATE": [*TABLES[:4], "order_lock"]},
    "buyer": {"SELECT": TABLES, "UPDATE": ["orders", "order_lock"], "INSERT": ["order_events"]},
    "reader": {"SELECT": TABLES},
}  # fmt: skip


@pytest.fixture
def as_role(database, monkeypatch):
    """Return a function that makes a user with the rights of a role and returns the setting that names the database as it."""
    upgraded(database).engine.dispose()

    def make(role):
        engine, url = connect(database, where="orders.database"), database_url(database, where="orders.database")
        user = f"{role}_{url.database}"
        postgresql = engine.dialect.name == "postgresql"
        name = user if postgresql else f"{user}@'127.0.0.1'"
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE USER {name} {'PASSWORD' if postgresql else 'IDENTIFIED BY'} 'p'")
            for right, tables in RIGHTS[role].items():
                for table in tables:
                    connection.exec_driver_sql(f"GRANT {right} ON {table} TO {name}")
            if role == "planner" and not postgresql:
                connection.exec_driver_sql(f"GRANT CREATE TEMPORARY TABLES ON {url.database}.* TO {name}")
        engine.dispose()
        monkeypatch.setenv(f"REPLEN_{role}", url.set(username=user, password="p").render_as_string(hide_password=False))
        return f"env:REPLEN_{role}"

    return make


def test_commands_get_by_with_their_rights(as_role, tmp_path, capsys):
    planner, buyer, reader = (as_role(role) for role in RIGHTS)
    database = OrderDatabase(planner)
    assert set(database.write_run("run", DATE, frames()).changed.values()) == {3, 1}
    run = ["--set", f"orders.database={buyer}"]
    assert main(["orders", "approve", "--order-id", id_of(0), *run]) == 0
    assert main(["orders", "export", "--to", str(tmp_path), "--send", "--all", *run]) == 0
    assert database.write_run("other", DATE, frames("other", (7.0,))).short == 1
    assert statuses(database) == {id_of(0): "sent"}
    for action in (["list"], ["show"], ["export", "--status", "sent", "--to", str(tmp_path)]):
        assert main(["orders", *action, "--set", f"orders.database={reader}"]) == 0
    assert main(["db", "current", "--set", f"orders.database={reader}"]) == 0
    capsys.readouterr()
    assert main(["orders", "confirm", "--all", "--set", f"orders.database={reader}"]) == 1
    assert "nothing was changed" in capsys.readouterr().err


def test_what_was_done_cannot_be_rewritten(as_role):
    for role in RIGHTS:
        engine = connect(as_role(role), where="orders.database")
        for change in ("UPDATE order_events SET who = 'x'", "DELETE FROM order_events"):
            with pytest.raises(sa.exc.DBAPIError, match="denied"), engine.begin() as connection:
                connection.exec_driver_sql(change)
        engine.dispose()


def test_a_reader_cannot_plan(as_role):
    with pytest.raises(TableError, match="nothing was written"):
        OrderDatabase(as_role("reader")).write_run("run", DATE, {t.ORDERS.name: frames()["orders"]})
