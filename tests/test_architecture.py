"""The doors and the one-way imports of the design hold in the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted([*ROOT.glob("replen/**/*.py"), *ROOT.glob("jobs/*.py")])
DOORS = {
    "pyspark": ("jobs/", "replen/spark/", "replen/sources/"),
    "mlflow": ("replen/tracking.py",),
    "horovod": ("replen/forecast/distributed.py",),
    "yaml": ("replen/overlays.py",),
    "highspy": ("replen/plan/solver.py",),
    "tensorflow": ("replen/forecast/lstm/", "replen/forecast/local_lstm/"),
    "keras": ("replen/forecast/lstm/", "replen/forecast/local_lstm/"),
    "alembic": ("replen/orders/",),
    "sqlalchemy": ("replen/databases.py", "replen/database_types.py", "replen/notify/", "replen/orders/", "replen/sources/"),
}
MAY_USE = {
    "features": set(),
    "forecast": {"features"},
    "evaluate": {"features", "forecast", "plan"},
    "plan": set(),
    "notify": set(),
    "orders": {"notify"},
    "quality": set(),
    "sources": set(),
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update([node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)])
    return names


@pytest.mark.parametrize(("package", "rooms"), DOORS.items())
def test_a_package_is_imported_through_its_door_only(package: str, rooms: tuple[str, ...]) -> None:
    users = {str(path.relative_to(ROOT)) for path in MODULES if any(n.split(".")[0] == package for n in imported(path))}
    assert {user for user in users if not user.startswith(rooms)} == set()


@pytest.mark.parametrize(("room", "others"), MAY_USE.items())
def test_imports_between_stages_run_one_way(room: str, others: set[str]) -> None:
    stages = set(MAY_USE) | {"spark"}
    for path in ROOT.glob(f"replen/{room}/**/*.py"):
        used = {name.split(".")[1] for name in imported(path) if name.startswith("replen.")} & stages
        assert used <= others | {room}, f"{path.relative_to(ROOT)} imports {used - others - {room}}"


def test_modules_stay_small() -> None:
    long = {str(path.relative_to(ROOT)): n for path in MODULES if (n := len(path.read_text().splitlines())) > 250}
    # One contract, read from top to bottom: tables and configuration are lists, and lists are found in one place.
    assert set(long) <= {"replen/tables.py", "replen/config.py"}


def test_columns_are_spelled_in_tables_only() -> None:
    import replen.tables as t

    names = {column for table in t.ALL for column in table.names if "_" in column}
    for path in MODULES:
        if path.name in {"tables.py", "config.py"} or "migrations" in path.parts:  # a revision stays as it was
            continue
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        literals = {node.value for node in nodes if isinstance(node.value, str)}
        assert not names & literals, f"{path.relative_to(ROOT)} spells {sorted(names & literals)}: use replen.tables"


def test_every_job_is_an_entry_of_spark_submit() -> None:
    silent = [path.name for path in (ROOT / "jobs").glob("[a-z]*.py") if '__name__ == "__main__"' not in path.read_text()]
    assert not silent, f"without an `if __name__ == '__main__'`, spark-submit does nothing: {silent}"
