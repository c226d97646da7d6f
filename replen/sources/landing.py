"""Tables of databases -> Parquet in the warehouse, which is then read like any other files; read anew only when rows changed.

Only `ingest` looks at databases. What it read stands below `<warehouse>/landed/` beside a small file that names it, which is
replaced in one step; the other jobs see the last reading whole, or the one before it, and need no rights in the database.
"""

import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from pyarrow import fs
from pyspark.sql import SparkSession

from replen import config
from replen import tables as t
from replen.errors import SourceError, raise_all
from replen.overlays import digest
from replen.sources.checks import missing_columns
from replen.sources.copying import copy_parts, copy_rows, rows_before
from replen.sources.database import Rows, connected, described, filesystem_of, told, with_columns
from replen.sources.locate import check, guess
from replen.sources.rules import RULES
from replen.sources.states import count_before, not_before, parts, state

NEVER, MANIFEST, ATTEMPTS = "not read yet", "current.json", 3
Note = Callable[[str], None]
_BY_NAME = {table.name: table for table in t.INPUTS}


@dataclass(frozen=True)
class Landing:
    """What was read of a table.

    Attributes:
        identity: of the rows, see `states.State`.
        database: host, port and name of the database.
        columns: names and types.
        newest: last date up to the day of reading, ISO; None without `since`.
        folder: of the Parquet files, below that of the table.
    """

    identity: str
    database: str
    columns: str
    newest: str | None
    folder: str


@dataclass(frozen=True)
class _Target:
    """Where a table goes, and what stands there."""

    name: str
    source: config.DatabaseTable
    folder: str
    last: Landing | None


def land(spark: SparkSession, sources: config.Sources, warehouse: str, *, today: dt.date, note: Note) -> config.Sources:
    """Return the section with every table of a database as the Parquet files of its present rows.

    Args:
        spark: the session, whose executors read.
        sources: the section.
        warehouse: root of all tables.
        today: later dates do not count as the newest.
        note: is told what was read.

    Raises:
        ConfigError: the section contradicts itself, or a setting gives no database.
        SourceError: a database cannot be read, or is not what the section says it is.
    """
    targets = _targets(sources, warehouse)
    if targets:
        check(sources)
    for target in targets:
        if done := _read(spark, target, today, note):
            _replace(target, done)
    return landed(sources, warehouse)


def landed(sources: config.Sources, warehouse: str) -> config.Sources:
    """Return the section with every table of a database as the Parquet files of its last reading, where there is one."""
    files = {
        one.name: config.TableSource(
            path=f"{one.folder}/{one.last.folder}", format="parquet", columns=one.source.columns, drop=one.source.drop
        )
        for one in _targets(sources, warehouse)
        if one.last is not None
    }
    return sources.model_copy(update={"tables": sources.tables | files})


def identities(sources: config.Sources, warehouse: str) -> dict[str, str]:
    """Return for each table of a database what the rows of its last reading are told apart by."""
    return {one.name: one.last.identity if one.last else NEVER for one in _targets(sources, warehouse)}


def _targets(sources: config.Sources, warehouse: str) -> list[_Target]:
    """Return the tables of databases; one that is read in another way has another folder."""
    targets = []
    for name, source in sources.tables.items():
        if isinstance(source, config.DatabaseTable):
            folder = f"{warehouse.rstrip('/')}/landed/{name}-{digest(source.model_dump(exclude={'partition'}))}"
            targets.append(_Target(name, source, folder, _manifest(folder)))
    return targets


def _read(spark: SparkSession, target: _Target, today: dt.date, note: Note) -> Landing | None:
    """Return a new reading, not visible yet; None where the rows are those of the last one."""
    rows, source = described(target.name, target.source), target.source
    for _ in range(ATTEMPTS):
        with told(rows), connected(rows) as connection:
            snapshot = rows.server.begin(connection, snapshot=None)
            rows = _checked(with_columns(rows, connection, _wanted(target)), target)
            seen = state(rows, connection, source.since, today)
            identity, last = seen.identity(rows.schema), _usable(target, rows)
            if last is not None and last.identity == identity:
                note(f"{target.name}: {seen.n_rows:,} rows of {rows.place} are those that were read before")
                return None
            folder = f"data-{uuid.uuid4().hex[:12]}"
            condition, n_older = _older(spark, target, rows, connection, f"{target.folder}/{folder}")
            cuts = parts(rows, connection, source.partition, condition)
            n_read = copy_parts(spark, rows, cuts, snapshot=snapshot, folder=f"{target.folder}/{folder}")
        if snapshot is not None or _still(rows, source.since, today, identity):
            if n_older + n_read != seen.n_rows:
                raise SourceError(f"{rows.where}: expected {seen.n_rows} rows of {rows.place}, read {n_older + n_read}")
            note(f"{target.name}: {n_read:,} rows read of {rows.place}" + (f", {n_older:,} older ones kept" if n_older else ""))
            newest = None if seen.newest is None else str(seen.newest)
            return Landing(identity, rows.database, str(rows.schema), newest, folder)
    raise SourceError(
        f"{rows.where}: the rows of {rows.place} changed while they were read, {ATTEMPTS} times; read them when nobody writes, "
        f"from a replica, or by {rows.where}.query with a condition that leaves the newest out"
    )


def _older(spark: SparkSession, target: _Target, rows: Rows, connection: sa.Connection, folder: str) -> tuple[str, int]:
    """Return the condition of the rows to read, and how many older ones now stand in the folder, from the last reading."""
    last, since = _usable(target, rows), target.source.since
    if last is None or last.newest is None or since is None:
        return "", 0
    day = dt.date.fromisoformat(last.newest) - dt.timedelta(days=since.overlap_days)
    older, n_older = rows_before(spark, f"{target.folder}/{last.folder}", since.column, day), 0
    if older.count() == count_before(rows, connection, since, day):
        n_older = copy_rows(older, folder)
    return (not_before(rows, since, day), n_older) if n_older else ("", 0)


def _still(rows: Rows, since: config.Since | None, today: dt.date, identity: str) -> bool:
    """Return whether the rows are what they were before parts without a common snapshot were read."""
    with told(rows), connected(rows) as connection:
        rows.server.begin(connection, snapshot=None)
        return state(rows, connection, since, today).identity(rows.schema) == identity


def _wanted(target: _Target) -> frozenset[str]:
    """Return the columns, by their names there, that the table can have, and those that it is cut by."""
    source, table = target.source, _BY_NAME[target.name]
    read = {source.columns.get(ours, ours) for ours in (*table.columns, *RULES[table.name].extra)} - set(source.drop)
    return frozenset(read | set(_cut_by(source).values()))


def _cut_by(source: config.DatabaseTable) -> dict[str, str]:
    chosen = {"since": source.since, "partition": source.partition}
    return {key: section.column for key, section in chosen.items() if section is not None and section.column is not None}


def _checked(rows: Rows, target: _Target) -> Rows:
    """Return the rows, once they are seen to have the columns that the table needs and the configuration names."""
    source, table = target.source, _BY_NAME[target.name]
    there = [name for name in rows.found if name not in source.drop]
    problems = list(missing_columns(table, there, rows.found, source.columns, where=rows.where, place=rows.place))
    problems += [
        f"{rows.where}.{key}.column: {rows.place} has no column {column!r}{guess(column, rows.found)}; found "
        f"{', '.join(rows.found)}"
        for key, column in _cut_by(source).items()
        if column not in rows.found
    ]
    raise_all(SourceError, problems)
    return rows


def _usable(target: _Target, rows: Rows) -> Landing | None:
    """Return the last reading where it is of the same columns of the same database, and its files are there."""
    last = target.last
    if last is None or (last.database, last.columns) != (rows.database, str(rows.schema)):
        return None
    filesystem, path = filesystem_of(f"{target.folder}/{last.folder}")
    return last if filesystem.get_file_info(path).type == fs.FileType.Directory else None


def _manifest(folder: str) -> Landing | None:
    filesystem, path = filesystem_of(f"{folder}/{MANIFEST}")
    if filesystem.get_file_info(path).type != fs.FileType.File:
        return None
    with filesystem.open_input_stream(path) as file:
        return Landing(**json.loads(file.read()))


def _replace(target: _Target, done: Landing) -> None:
    """Make a reading the present one in one step; the last one stays for who reads it, those before it go."""
    filesystem, folder = filesystem_of(target.folder)
    unfinished = f"{folder}/{MANIFEST}.{uuid.uuid4().hex[:8]}"
    with filesystem.open_output_stream(unfinished) as file:
        file.write(json.dumps(asdict(done), indent=2).encode())
    filesystem.move(unfinished, f"{folder}/{MANIFEST}")
    kept = {done.folder} | ({target.last.folder} if target.last else set())
    for entry in filesystem.get_file_info(fs.FileSelector(folder)):
        if entry.type == fs.FileType.Directory and entry.base_name not in kept:
            filesystem.delete_dir(entry.path)
