"""Worlds that faults happen in, each made once, and which of the faults are tried.

`REPLEN_FAULTS` is how many of each scenario (default 4, of jobs 1), or `all`; `REPLEN_FAULTS_SEED` draws others.
"""

import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from replen.overlays import load_config
from replen.sources.generator import ensure_generated
from tests.faults.inject import KINDS, ON_SERVERS, SURVIVED, Fault, Point
from tests.faults.world import ROOT, Rows, State, World

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")
JOBS = ("ingest", "check-quality", "build-features", "train", "forecast", "plan-orders")


def drawn(cases: Sequence[T], scenario: str, *, usual: int = 4) -> list[T]:
    """Return the cases of a scenario that this run tries: so many where nothing else is asked for."""
    wanted, seed = os.environ.get("REPLEN_FAULTS", str(usual)), os.environ.get("REPLEN_FAULTS_SEED", "0")
    if wanted == "all" or int(wanted) >= len(cases):
        return list(cases)
    return random.Random(f"{seed} {scenario}").sample(cases, int(wanted))


def faults_at(points: Sequence[Point], *, server: str) -> list[Fault]:
    """Return every fault that can happen at these writes."""
    refused = {"sqlite": ON_SERVERS}.get(server, set())
    return [
        Fault(number, kind)
        for number, point in enumerate(points)
        for kind in KINDS[point.family]
        if not (point.family in ("statement", "COMMIT") and kind in refused)
    ]


@dataclass(frozen=True)
class Scenario:
    """A command in a world as it was before, and what it comes to when nothing happens.

    Attributes:
        command: that fails, and is then given once more.
        kept: the warehouse before.
        rows: of the database before.
        points: writes of the undisturbed command.
        state: after it.
    """

    name: str
    world: World
    command: tuple[str, ...]
    kept: Path
    rows: Rows
    points: Sequence[Point]
    state: State

    @classmethod
    def of(cls, world: World, command: tuple[str, ...], kept: Path, name: str) -> "Scenario":
        """Record a command from the world as it is; the world is then as after it."""
        rows = world.keep(kept)
        ended = world.run(command)
        assert ended.code == 0, ended.told
        return cls(name, world, command, kept, rows, ended.points, State.of(world))

    def problems(self, fault: Fault) -> list[str]:
        """Return what is wrong after the fault and one more of the same command: nothing should be."""
        self.world.put_back(self.kept, self.rows)
        point = self.points[fault.number]
        told = [f"{problem}" for problem in self._survived(fault, point)]
        again = self.world.run(self.command)
        told += [f"the next run ends with {again.code}: {again.told}"] * (again.code != 0)
        told += self.state.differences(State.of(self.world))
        told += [f"left over: {path}" for path in self.world.leftovers()]
        return [
            f"{self.name}, write {fault.number} ({point.family} {point.label}), {fault.kind}: {problem}" for problem in told
        ]

    def all_problems(self, faults: Sequence[Fault]) -> list[str]:
        """Return what is wrong after each fault by itself; how far it is, is printed (`pytest -s` shows it)."""
        writes, found = len({fault.number for fault in faults}), list[str]()
        for number, fault in enumerate(faults, start=1):
            found += self.problems(fault)
            sys.stdout.write(f"{self.name}: {number} of {len(faults)} faults at {writes} writes tried\n")
            sys.stdout.flush()
        return found

    def _survived(self, fault: Fault, point: Point) -> list[str]:
        """Return what is wrong with how the command ended."""
        ended = self.world.run(self.command, fault)
        if fault.kind == "kill":
            return [] if ended.code == -9 else [f"expected to be killed, ended with {ended.code}: {ended.told}"]
        if list(ended.points[: fault.number + 1]) != list(self.points[: fault.number + 1]):
            return [f"other writes than when it was recorded: {ended.points[-3:]}"]
        may_pass = fault.kind in SURVIVED or point.family == "remove" or (point.family == "COMMIT" and fault.kind == "lost")
        said = ended.told.startswith("replen: ") and ended.told.count("\n") == 1 and "Traceback" not in ended.told
        fine = (ended.code == 0 and may_pass) or (ended.code == 1 and said)
        return [] if fine else [f"ended with {ended.code}, said {ended.told!r}"]


@pytest.fixture(scope="session")
def small_world(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a world whose jobs take seconds, its platform generated; MLflow keeps no connection to a file that is put back."""
    environment = pytest.MonkeyPatch()
    environment.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    folder = tmp_path_factory.mktemp("faults")
    settings = (f"sources.path={folder}/platform", "forecast.models=[moving_average, seasonal_naive]",
                "sources.generator.n_skus=30", "evaluate.simulated_cost.n_paths=0")  # fmt: skip
    (folder / "warehouse").mkdir()
    world = World(folder / "warehouse", settings, f"sqlite:///{folder}/warehouse/orders.db")
    config = load_config(ROOT / "conf/test.yaml", [*settings])
    ensure_generated(spark, config.sources, freq=config.freq, seed=config.seed)
    yield world
    environment.undo()


@pytest.fixture(scope="session")
def scenarios(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scenario]:
    """Return each job from the state that the job before it left."""
    before = tmp_path_factory.mktemp("before")
    return {job: Scenario.of(small_world, (job,), before / job, job) for job in JOBS}
