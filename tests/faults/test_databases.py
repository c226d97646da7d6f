"""Whatever fails at whichever write to the order database, on every kind of server, the next run gives the same rows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from replen.databases import connect
from replen.orders.schema import HEAD
from replen.orders.upgrade import current, upgrade
from tests.faults.conftest import Scenario, drawn, faults_at
from tests.faults.inject import Fault
from tests.faults.world import Rows, World
from tests.servers import Server

SERVERS = ("sqlite", "postgresql", "mariadb")
COMMANDS = {
    "plan-orders": ("plan-orders",),
    "approve": ("orders", "approve", "--all", "--by", "ann"),
    "send": ("orders", "export", "--send", "--status", "approved", "--by", "ann", "--to"),
}


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


@pytest.fixture(scope="session")
def world(
    server: tuple[str, Server | None], scenarios: dict[str, Scenario], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Path, Rows]]:
    """Return a world whose jobs are committed, and rows of another plan of the same date, of which a part is approved."""
    kind, running = server
    kept = tmp_path_factory.mktemp("planned")
    small = scenarios["plan-orders"].world
    small.keep(kept)
    with new_database(running, small.folder, f"faults_{kind}") as setting:
        upgrade(connect(setting, where="orders.database"))
        small.keep(kept)  # with the database where it is a file
        yield replace(small, database=setting), kept, earlier(scenarios["plan-orders"].state.orders)


def earlier(rows: Rows) -> Rows:
    """Return what another run would have written before: other quantities, orders too many and too few, some approved."""
    ids = [str(row["order_id"]) for row in rows["orders"]]
    assert len(ids) > 8, "too few orders to tell anything"
    changed = {}
    for name in ("orders", "explanations", "exceptions", "certificates"):
        changed[name] = [{**row, "run_id": "before"} for row in rows[name]]
    changed["orders"] = [
        {**row, "order_quantity": float(str(row["order_quantity"])) * (2 if number % 2 else 1), "status": _status(number)}
        for number, row in enumerate(changed["orders"])
        if number % 5
    ]
    there = {row["order_id"] for row in changed["orders"]}
    changed["explanations"] = [row for row in changed["explanations"] if row["order_id"] in there]
    extra = {**changed["orders"][0], "order_id": "too-many", "sku": "another", "status": "proposed"}
    return changed | {"orders": [*changed["orders"], extra], "order_events": []}


def _status(number: int) -> str:
    return "approved" if number % 3 == 0 else "proposed"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_failed_is_done_by_the_next_one(
    world: tuple[World, Path, Rows], server: tuple[str, Server | None], name: str, tmp_path: Path
) -> None:
    there, kept, rows = world
    command = (*COMMANDS[name], str(there.folder / "sent")) if name == "send" else COMMANDS[name]
    there.put_back(kept, rows)
    scenario = Scenario.of(there, command, tmp_path / "before", f"{name} on {server[0]}")
    faults = drawn(faults_at(scenario.points, server=server[0]), scenario.name)
    problems = [problem for fault in faults for problem in scenario.problems(fault)]
    assert not problems, "\n".join([f"{len(faults)} faults tried:", *problems])


def test_an_upgrade_that_failed_is_done_by_the_next_one(
    server: tuple[str, Server | None], small_world: World, tmp_path: Path
) -> None:
    kind, running = server
    with new_database(running, tmp_path, f"upgraded_{kind}") as setting:
        points = replace(small_world, database=setting).run(("db", "upgrade")).points
        expected = _columns(setting)
    faults = drawn([fault for fault in faults_at(points, server=kind)], f"upgrade on {kind}")
    problems = []
    for fault in faults:
        with new_database(running, tmp_path, f"up_{kind}_{fault.number}_{fault.kind}".lower()) as setting:
            problems += _upgraded_twice(replace(small_world, database=setting), fault, expected)
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
