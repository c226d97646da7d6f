"""Old runs leave the warehouse: first their rows of `runs`, then, step by step, whatever no row refers to any more.

No Spark is needed. Every step leaves all remaining runs readable, so that an expiry that was stopped anywhere has done no
harm; the next one goes on.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable
from deltalake.transaction import PostCommitHookProperties
from pyarrow import fs

import replen.tables as t
from replen.config import Retention
from replen.spark.keys import JOBS
from replen.spark.lock import alone
from replen.tables import Table
from replen.warehouse import Row, committed_rows, configuration, open_root

KEEP_LOG = PostCommitHookProperties(cleanup_expired_logs=False)
WORK = ("staging", "checkpoints")


@dataclass(frozen=True)
class Step:
    """One thing to do: what it removes, how many bytes that frees, and how."""

    what: str
    n_bytes: int
    do: Callable[[], object]


def expire(root: str, retention: Retention, now: dt.datetime, *, dry_run: bool, say: Callable[[str], None]) -> str:
    """Remove what the policy does not keep and return a line of what that was; a second expiry waits for the first.

    Args:
        root: the warehouse.
        retention: the policy.
        now: the time it is, UTC.
        dry_run: say what would be removed, and remove nothing.
        say: is told each step before it is done.
    """
    with nullcontext() if dry_run else alone(root, "expire", say):
        return _expire(root, retention, now, dry_run=dry_run, say=say)


def _expire(root: str, retention: Retention, now: dt.datetime, *, dry_run: bool, say: Callable[[str], None]) -> str:
    rows = committed_rows(root)
    gone = expired_runs(rows, retention, now)
    kept = [row for row in rows if row[t.RUN_ID] not in gone]
    n_bytes = n_steps = 0
    for step in Expiry(root, gone, now - dt.timedelta(days=retention.unfinished_days)).steps(kept, dry_run=dry_run):
        say(
            f"{'would remove' if dry_run else 'remove'} {step.what}"
            + (f" ({step.n_bytes / 2**20:,.1f} MB)" if step.n_bytes else "")
        )
        if not dry_run:
            step.do()
        n_bytes, n_steps = n_bytes + step.n_bytes, n_steps + 1
    runs = len({row[t.RUN_ID] for row in kept})
    verb = "would free" if dry_run else "freed"
    why = "; retention.days and retention.runs are null: every run is kept" if retention.days is retention.runs is None else ""
    return f"{len(gone):,} runs expired, {runs:,} kept; {n_steps:,} steps, {verb} {n_bytes / 2**20:,.1f} MB{why}"


def expired_runs(rows: Sequence[Row], retention: Retention, now: dt.datetime) -> set[str]:
    """Return the runs that the policy does not keep, by their last commit.

    Of each name and freq these stay whatever the policy says: the last run, and the last that came to orders, which the next
    run is compared with.
    """
    if retention.days is None and retention.runs is None:
        return set()
    ended, of, planned = dict[str, dt.datetime](), dict[str, tuple[str, str]](), set[str]()
    for row in rows:
        run = row[t.RUN_ID]
        ended[run], of[run] = max(ended.get(run, row[t.COMMITTED_AT]), row[t.COMMITTED_AT]), configuration(row)
        if row[t.JOB] == JOBS[-1]:
            planned.add(run)
    stay = {run for run, at in ended.items() if retention.days is not None and now - at < dt.timedelta(days=retention.days)}
    for one in set(of.values()):
        newest = sorted((run for run in ended if of[run] == one), key=lambda run: ended[run], reverse=True)
        with_orders = [run for run in newest if run in planned]
        stay |= {*newest[:1], *with_orders[: retention.runs or 1]}
    return set(ended) - stay


@dataclass(frozen=True)
class Expiry:
    """What is removed from a warehouse.

    Attributes:
        root: the warehouse.
        gone: runs that expire.
        unfinished: what no committed run refers to goes where nothing was written beside it since.
    """

    root: str
    gone: set[str]
    unfinished: dt.datetime

    def steps(self, kept: Sequence[Row], *, dry_run: bool) -> Iterator[Step]:
        """Yield the steps; each is worked out when the one before is done."""
        if self.gone:
            yield Step(f"{len(self.gone):,} runs from {t.RUNS.name}: {', '.join(sorted(self.gone))}", 0, self._forget)
        if not dry_run:
            kept = committed_rows(self.root)  # a run that began meanwhile may have taken over a job of one that is gone
        for table in t.ALL:
            if table is not t.RUNS and DeltaTable.is_deltatable(f"{self.root}/{table.name}"):
                yield from self._of_table(table, [row for row in kept if table.name in row[t.VERSIONS]])
        for place in WORK:
            for folder in self._folders(place):
                if folder.base_name in self.gone or self._is_old(folder):
                    yield self._removal(folder, f"{place}/{folder.base_name}")

    def _forget(self) -> None:
        runs = DeltaTable(f"{self.root}/{t.RUNS.name}")
        runs.delete(_any_of(self.gone), post_commithook_properties=KEEP_LOG)
        runs.vacuum(dry_run=False)  # older files of the table itself, after Delta's week

    def _of_table(self, table: Table, rows: Sequence[Row]) -> Iterator[Step]:
        """Yield the steps of one table: rows out of its newest version, data folders, the log before the oldest version."""
        path = f"{self.root}/{table.name}"
        used = {(row[t.VERSIONS][table.name], row[t.PRODUCER]) for row in rows}
        needed = {folder for version, run in used for folder in _folders_of(DeltaTable(path, version=version), table, run)}
        unused = [folder for folder in self._folders(f"{table.name}/data") if folder.base_name not in needed]
        doomed = [folder for folder in unused if _run_of(folder) in self.gone or self._is_old(folder)]
        if t.RUN_ID in table.key:
            head = _folders_of(DeltaTable(path), table)
            runs = {_run_of(folder) for folder in doomed if folder.base_name in head}
            if runs:
                what = f"rows of {', '.join(sorted(runs))} from {table.name}"
                yield Step(what, 0, lambda: DeltaTable(path).delete(_any_of(runs), post_commithook_properties=KEEP_LOG))
        else:
            doomed = [folder for folder in doomed if folder.base_name not in _folders_of(DeltaTable(path), table)]
        for folder in doomed:
            yield self._removal(folder, f"{table.name}/data/{folder.base_name}")
        yield from self._log_of(table, {version for version, _ in used})

    def _log_of(self, table: Table, used: set[int]) -> Iterator[Step]:
        """Yield the removal of log entries before the oldest version that a run, or a job under way, may read."""
        log = DeltaTable(f"{self.root}/{table.name}")
        files, _ = open_root(self.root)
        entries = [one for one in self._list(f"{table.name}/_delta_log") if one.base_name[:20].isdigit()]
        young = {int(one.base_name[:20]) for one in entries if one.mtime > self.unfinished}
        oldest = min({log.version(), *used, *young})
        before = sorted((one for one in entries if int(one.base_name[:20]) < oldest), key=lambda one: one.base_name)

        def trim() -> None:
            DeltaTable(f"{self.root}/{table.name}", version=oldest).create_checkpoint()
            for one in before:
                files.delete_file(one.path)

        if before:
            yield Step(
                f"{len(before):,} log entries of {table.name} before version {oldest}", sum(one.size for one in before), trim
            )

    def _removal(self, folder: fs.FileInfo, name: str) -> Step:
        files, _ = open_root(self.root)
        return Step(name, sum(one.size or 0 for one in self._inside(folder)), lambda: files.delete_dir(folder.path))

    def _is_old(self, folder: fs.FileInfo) -> bool:
        return all(one.mtime <= self.unfinished for one in (folder, *self._inside(folder)) if one.mtime is not None)

    def _inside(self, folder: fs.FileInfo) -> list[fs.FileInfo]:
        files, _ = open_root(self.root)
        found: list[fs.FileInfo] = files.get_file_info(fs.FileSelector(folder.path, recursive=True))
        return found

    def _folders(self, place: str) -> list[fs.FileInfo]:
        return sorted((one for one in self._list(place) if one.type == fs.FileType.Directory), key=lambda one: str(one.path))

    def _list(self, place: str) -> list[fs.FileInfo]:
        files, root = open_root(self.root)
        found: list[fs.FileInfo] = files.get_file_info(fs.FileSelector(f"{root}/{place}", allow_not_found=True))
        return found


def _folders_of(log: DeltaTable, table: Table, run: str | None = None) -> set[str]:
    """Return the data folders of a version, of one run where the table's key holds it."""
    chosen: Any = [(str(t.RUN_ID), "=", run)] if run is not None and t.RUN_ID in table.key else None
    return {uri.rsplit("/data/", 1)[1].split("/")[0] for uri in log.file_uris(file_pruning_predicate=chosen)}


def _run_of(folder: fs.FileInfo) -> str:
    """Return the run that wrote a data folder `<run>-<random>`."""
    return str(folder.base_name).rpartition("-")[0]


def _any_of(runs: set[str]) -> str:
    return f"{t.RUN_ID} in ({', '.join(repr(run) for run in sorted(runs))})"
