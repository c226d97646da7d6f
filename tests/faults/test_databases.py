"""Whatever fails at whichever write to the order database, on every kind of server, the next run gives the same rows."""

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

import replen.tables as t
from replen.databases import connect
from replen.errors import ReplenError
from replen.orders.database import OrderDatabase
from replen.orders.life_cycle import Act, Selection, change, changeable, changing
from replen.orders.patience import patiently
from replen.orders.schema import HEAD
from replen.orders.status import APPROVED
from replen.orders.upgrade import current, upgrade
from replen.overlays import load_config
from tests.faults.conftest import Scenario, drawn, faults_at
from tests.faults.inject import Fault
from tests.faults.world import World
from tests.servers import Server
from tests.unit.orders_written import DATE, frames, id_of

SERVERS = ("sqlite", "postgresql", "mariadb")
COMMANDS = {
    "write": ("write",),
    "approve": ("orders", "approve", "--all", "--by", "ann"),
    "send": ("orders", "export", "--send", "--all", "--by", "ann", "--to"),
}


class Shop(World):
    """A world without a warehouse: what the last job does with its orders, and what people do."""

    def does(self, command: Sequence[str]) -> int:
        """Return the exit code of a command, or of `write`."""
        if tuple(command) != ("write",):
            return super().does(command)
        try:
            database = OrderDatabase(self.database)
            rows = (6.0, 13.0, 18.0, 24.0, 5.0)
            patiently(lambda: database.write_run("new", DATE, frames("new", rows)), attempts=3, note=lambda _: None)
        except ReplenError as error:
            sys.stderr.write(f"replen: {error}\n")
            return 1
        return 0


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> tuple[str, Server | None]:
    """Return each kind of server."""
    return request.param, None if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_server")


@contextmanager
def new_database(server: Server | None, folder: Path, name: str) -> Iterator[str]:
    """Give the setting of an empty database."""
    if server is None:
        yield f"sqlite:///{folder}/{name}.db"
        return
    variable = f"REPLEN_{name}".upper()
    os.environ[variable] = server.with_database(name).address
    yield f"env:{variable}"
    del os.environ[variable]


@pytest.fixture
def shop(server: tuple[str, Server | None], tmp_path: Path) -> Iterator[Shop]:
    """Return a world with a plan of the same date by another run, of which one order is approved."""
    kind, running = server
    folder = tmp_path / "shop"
    folder.mkdir()
    with new_database(running, folder, f"shop_{kind}_{secrets.token_hex(3)}") as setting:
        upgrade(connect(setting, where="orders.database"))
        database = OrderDatabase(setting)
        database.write_run("before", DATE, frames("before", (6.0, 12.0, 19.0, 24.0, 30.0, 36.0)))
        with changing(database.engine) as connection:
            orders = changeable(connection, Selection({t.ORDER_ID: (id_of(4),)}), APPROVED)
            change(connection, orders, Act(APPROVED, "bob"), load_config(None, []).notify)
        database.engine.dispose()
        yield Shop(folder, (f"sources.path={folder}",), setting)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_failed_is_done_by_the_next_one(
    shop: Shop, server: tuple[str, Server | None], name: str, tmp_path: Path
) -> None:
    command = (*COMMANDS[name], str(shop.folder / "sent")) if name == "send" else COMMANDS[name]
    scenario = Scenario.of(shop, command, tmp_path / "before", f"{name} on {server[0]}")
    faults = drawn(faults_at(scenario.points, server=server[0]), scenario.name)
    problems = scenario.all_problems(faults)
    assert not problems, "\n".join([f"{len(faults)} faults tried:", *problems])


def test_an_upgrade_that_failed_is_done_by_the_next_one(server: tuple[str, Server | None], tmp_path: Path) -> None:
    kind, running = server
    with new_database(running, tmp_path, f"upgraded_{kind}") as setting:
        points = Shop(tmp_path, (f"sources.path={tmp_path}",), setting).run(("db", "upgrade")).points
        expected = _columns(setting)
    faults = drawn(faults_at(points, server=kind), f"upgrade on {kind}")
    sys.stdout.write(f"upgrade on {kind}: {len(faults)} faults at {len(points)} writes\n")
    problems = []
    for fault in faults:
        with new_database(running, tmp_path, f"up_{kind}_{fault.number}_{fault.kind}".lower()) as setting:
            problems += _upgraded_twice(Shop(tmp_path, (f"sources.path={tmp_path}",), setting), fault, expected)
    assert not problems, "\n".join([f"{len(faults)} faults tried:", *problems])


def _upgraded_twice(world: World, fault: Fault, expected: object) -> list[str]:
    first = world.run(("db", "upgrade"), fault)
    again = world.run(("db", "upgrade"))
    if again.code or _columns(world.database) != expected:
        return [f"write {fault.number}, {fault.kind}: ended with {first.code} {first.told}, then {again.code} {again.told}"]
    return []


def _columns(setting: str) -> tuple[str | None, dict[str, list[str]]]:
    engine = connect(setting, where="orders.database")
    look = sa.inspect(engine)
    columns = {name: sorted(each["name"] for each in look.get_columns(name)) for name in look.get_table_names()}
    found = current(engine), columns
    engine.dispose()
    assert found[0] == HEAD
    return found
