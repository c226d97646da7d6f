"""A run: the jobs from sources to orders under one identity, and which of them are committed."""

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

import replen.tables as t
from replen.config import Config
from replen.errors import TableError
from replen.sources.generator import as_files, ensure_generated
from replen.sources.landing import identities
from replen.sources.locate import fingerprint
from replen.spark.keys import JOBS, job_keys, kept_training, recipe, same_recipe
from replen.spark.lock import alone
from replen.spark.store import TableStore
from replen.tables import Table


@dataclass(frozen=True)
class Committed:
    """A row of `runs`: a job of this run whose tables readers may see."""

    job: str
    producer: str
    cutoff: dt.date
    versions: Mapping[str, int]
    counts: Mapping[str, int]

    def __str__(self) -> str:
        """Return what a person wants to know of it."""
        counted = (f"  {count:>12,}  {name}" for name, count in sorted(self.counts.items()))
        return "\n".join([f"{self.job} is committed, cutoff {self.cutoff}", *counted])


class Run:
    """One run as a job sees it. A job is done once: `claim` says whether, `commit` makes all its tables visible together."""

    def __init__(
        self,
        spark: SparkSession,
        config: Config,
        input_fingerprint: str,
        *,
        on_the_way: str | None = None,
        training: str | None = None,
    ) -> None:
        self.config = config
        self.store = TableStore(spark, config.warehouse)
        if training is None and config.forecast.retrain_after_periods is not None:
            training = kept_training(self.store.rows(t.RUNS), config, input_fingerprint)
        self._training = training
        self.keys = job_keys(config, input_fingerprint, on_the_way=on_the_way, training=training)
        self.run_id = self.keys[JOBS[-1]]
        self._fingerprint = input_fingerprint
        self._written: dict[str, tuple[int, int]] = {}
        self._job: str | None = None

    def with_orders(self, on_the_way: str | None) -> "Run":
        """Return the run that plans with these orders of the database on the way; it adopts what this one has committed.

        Args:
            on_the_way: hash of them; None: there are none, and the run is this one.
        """
        return Run(self.store.spark, self.config, self._fingerprint, on_the_way=on_the_way, training=self._training)

    @property
    def keeps_training(self) -> bool:
        """Return whether the run takes the models of an earlier training (see `keys.kept_training`)."""
        return self._training is not None

    @contextmanager
    def claim(self, job: str, note: Callable[[str], None]) -> Iterator[Committed | None]:
        """Frame a job, which no other process does meanwhile; yield its commit, or None where it is to be done now.

        Args:
            job: one of JOBS.
            note: is told who is waited for.
        """
        with alone(self.store.root, self.keys[job], note):
            done, self._job = self.committed(job), job
            if done is not None:
                self._clear()
            yield done
            self._job = None

    def committed(self, job: str) -> Committed | None:
        """Return the job's commit, or None; where another run did the same job, its tables are adopted, not made again."""
        rows = [row for row in self.store.rows(t.RUNS) if row[t.JOB] == job and row[t.JOB_KEY] == self.keys[job]]
        if not rows:
            return None
        own = [row for row in rows if row[t.RUN_ID] == self.run_id]
        if not own:
            adopted = {**rows[0], t.RUN_ID: self.run_id, t.COMMITTED_AT: dt.datetime.now(dt.UTC)}
            self.store.append(t.RUNS, {str(name): adopted[name] for name in t.RUNS.names})
        return _as_committed((own or rows)[0])

    def needed(self, job: str) -> Committed:
        """Return the commit of a job that must have run before.

        Raises:
            TableError: saying which command to run first.
        """
        commit = self.committed(job)
        if commit is None:
            command = f"replen {job.replace('_', '-')}"
            raise TableError(f"{self.store.root}: run {self.run_id} has not committed {job}; run `{command}` (or `replen run`)")
        return commit

    def before(self, job: str, cutoff: dt.date) -> Committed | None:
        """Return the last commit of a job by runs of this name and freq with an earlier cutoff that came to orders, or None."""
        mine = {"name": self.config.name, "freq": self.config.freq}
        committed: list[dict[str, Any]] = self.store.rows(t.RUNS)
        planned = {row[t.RUN_ID] for row in committed if row[t.JOB] == JOBS[-1]}
        runs = [row for row in committed if row[t.JOB] == job and row[t.RUN_ID] in planned]
        rows = [row for row in runs if row[t.CUTOFF] < cutoff and mine.items() <= json.loads(row[t.CONFIG]).items()]
        return _as_committed(max(rows, key=lambda row: (row[t.CUTOFF], row[t.COMMITTED_AT]))) if rows else None

    def earlier(self, *jobs: str) -> dict[str, Committed] | None:
        """Return jobs' commits of the last other run of this name and recipe that has the same cutoff and all of them, or None.

        What those jobs made of equal rows is what this run would make of them (see `changes`).
        """
        cutoff = self.needed(JOBS[0]).cutoff
        rows = [row for row in same_recipe(self.store.rows(t.RUNS), self.config) if row[t.RUN_ID] != self.run_id]
        by_run: dict[str, dict[str, Mapping[str, Any]]] = {row[t.RUN_ID]: {} for row in rows}
        for row in rows:
            by_run[row[t.RUN_ID]][row[t.JOB]] = row
        whole = [
            of_run for of_run in by_run.values() if {JOBS[0], *jobs} <= set(of_run) and of_run[JOBS[0]][t.CUTOFF] == cutoff
        ]
        last = max(whole, key=lambda of_run: of_run[jobs[-1]][t.COMMITTED_AT], default=None)
        return {job: _as_committed(row) for job, row in last.items()} if last else None

    def read_of(self, commit: Committed, table: Table) -> DataFrame:
        """Return a table of another commit."""
        return self.store.read(table, version=commit.versions[table.name], run_id=commit.producer)

    def read(self, table: Table, job: str) -> DataFrame:
        """Return a table as `job` of this run committed it."""
        return self.read_of(self.needed(job), table)

    def files(self, table: Table, job: str) -> list[str]:
        """Return the Parquet files of a table as `job` of this run committed it, for readers without Spark."""
        commit = self.needed(job)
        return self.store.files(table, version=commit.versions[table.name], run_id=commit.producer)

    def stage(self, table: Table, rows: DataFrame) -> DataFrame:
        """Return rows as read back from Parquet: what is used several times is computed once. Gone with the job's commit."""
        path = f"{self._folder('staging')}/{table.name}-{uuid.uuid4().hex[:8]}"
        rows.select(table.names).write.parquet(path)
        return rows.sparkSession.read.schema(table.nullable_ddl).parquet(path)

    def checkpoints(self, name: str) -> str:
        """Return a folder of the warehouse for what a job that was killed can go on from; gone with the job's commit."""
        return f"{self._folder('checkpoints')}/{name}"

    def write(self, table: Table, rows: DataFrame) -> DataFrame:
        """Write a table of the job that is under way and return its rows as read back; readers see it once `commit` is done."""
        version, n_rows = self.store.write(table, rows, run_id=self.run_id)
        self._written[table.name] = (version, n_rows)
        return self.store.read(table, version=version, run_id=self.run_id)

    def commit(self, job: str, *, cutoff: dt.date, counts: Mapping[str, int] | None = None) -> Committed:
        """Make all that the job has written visible together, by one row of `runs`; its rows are counted by table."""
        versions = {name: version for name, (version, _) in self._written.items()}
        n_rows = {name: n_rows for name, (_, n_rows) in self._written.items()}
        row: dict[str, object] = {
            str(t.RUN_ID): self.run_id,
            str(t.JOB): job,
            str(t.JOB_KEY): self.keys[job],
            str(t.PRODUCER): self.run_id,
            str(t.COMMITTED_AT): dt.datetime.now(dt.UTC),
            str(t.CUTOFF): cutoff,
            str(t.VERSIONS): versions,
            str(t.COUNTS): {**n_rows, **(counts or {})},
            str(t.RECIPE): recipe(self.config),
            str(t.CONFIG): self.config.model_dump_json(exclude={"orders": {"database"}, "tracking": {"uri"}}),
        }
        self.store.append(t.RUNS, row)
        self._clear()
        self._written.clear()
        return _as_committed(row)

    def _clear(self) -> None:
        """Remove what the claimed job, which is committed, needs no more."""
        for kind in ("staging", "checkpoints"):
            with suppress(OSError):  # the job is done; what stays goes when it is claimed again
                self.store.remove(self._folder(kind))

    def _folder(self, kind: str) -> str:
        """Return a folder of the claimed job alone, wherever it is killed and whichever run goes on with it."""
        if self._job is None:
            raise RuntimeError("no job is claimed")
        return f"{self.store.root}/{kind}/{self.keys[self._job]}"


def open_run(spark: SparkSession, config: Config) -> Run:
    """Return the run that this configuration, its inputs and this code make; generated inputs are generated first."""
    if config.sources.kind == "generator":
        with alone(config.warehouse, "generator", lambda _: None):
            ensure_generated(spark, config.sources, freq=config.freq, seed=config.seed)
    sources = config.sources
    return Run(spark, config, fingerprint(as_files(sources), identities(sources, config.warehouse)))


def _as_committed(row: Mapping[str, Any]) -> Committed:
    fields = (t.JOB, t.PRODUCER, t.CUTOFF, t.VERSIONS, t.COUNTS)
    return Committed(*(row[name] for name in fields))
