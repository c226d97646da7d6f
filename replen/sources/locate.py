"""Which files are the input: paths, checks of the `sources` section that need no data, and the files' fingerprint."""

import difflib
import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import fsspec  # type: ignore[import-untyped]

from replen import config
from replen import tables as t
from replen.errors import ConfigError, raise_all
from replen.sources.rules import RULES

_BY_NAME = {table.name: table for table in t.INPUTS}
_HASHED_BYTES = 64 * 2**20  # larger files are told apart by size and time of change
_BLOCK = 2**20


def check(sources: config.Sources) -> None:
    """Refuse a `sources` section that contradicts itself or names files that are not there.

    Raises:
        ConfigError: with every problem found.
    """
    raise_all(ConfigError, _problems(sources))


def table_path(sources: config.Sources, source: config.TableSource) -> str:
    """Return the path of a table: as given where absolute or a URL, else below `sources.path`."""
    if "://" in source.path or Path(source.path).is_absolute() or sources.path is None:
        return source.path
    return f"{sources.path.rstrip('/')}/{source.path}"


def file_of(sources: config.Sources, name: str) -> config.TableSource:
    """Return where the files of a table are; a table of a database has some once it was read (see `landing`)."""
    source = sources.tables[name]
    if isinstance(source, config.DatabaseTable):
        raise TypeError(f"sources.tables.{name} is a table of a database that was not read: see replen.sources.landing.land")
    return source


def fingerprint(sources: config.Sources, identities: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a hash of the input files' names and contents (size and time of change where a file is over 64 MiB).

    Names count from the folder given in the config, so that a copy elsewhere is the same input.

    Args:
        sources: the section.
        identities: tables of databases -> what their rows are told apart by.

    Raises:
        ConfigError: a path does not exist.
    """
    hashed = hashlib.sha256()
    for name, identity in sorted(identities.items()):
        hashed.update(f"sources.tables.{name}\n{identity}\n".encode())
    for where, path in sorted(_paths(sources)):
        for entry in _entries(where, path):
            hashed.update(f"{where}\n{entry}\n".encode())
    return hashed.hexdigest()


def _problems(sources: config.Sources) -> Iterator[str]:
    for name, source in sources.tables.items():
        yield from _table_problems(name, source)
        if sources.path is not None and isinstance(source, config.TableSource) and _leaves(source.path):
            yield f"sources.tables.{name}.path: expected a path below sources.path, found {source.path}; give the whole path"
    if sources.kind == "online_retail" and sources.path is None:
        yield "sources.path: expected the Online Retail II file, found null"
    if sources.kind == "online_retail" and t.SALES.name in sources.tables:
        yield "sources.tables.sales: contradicts sources.kind online_retail, which makes sales of sources.path; remove one"
    if sources.kind == "files" and t.SALES.name not in sources.tables:
        yield (
            "sources.tables.sales: expected {path, format, columns, drop} or {format: database, ...}, found none; without "
            "sales there is nothing to plan"
        )
    yield from _rule_problems(t.STOCK, "stock_cover_periods", sources.assume.stock_cover_periods, sources)
    yield from _rule_problems(t.SUPPLY, "supply", sources.assume.supply, sources)
    yield from (f"{where}: {path} does not exist" for where, path in _paths(sources) if "://" not in path and not _exists(path))


def _rule_problems(table: t.Table, key: str, rule: object, sources: config.Sources) -> Iterator[str]:
    if rule is not None and table.name in sources.tables:
        yield f"sources.assume.{key}: contradicts sources.tables.{table.name}; set it to null, or remove the table"
    if rule is None and table.name not in sources.tables:
        yield (
            f"sources.tables.{table.name}: expected a table ({table.meaning}), found none; give it, or say what to assume in "
            f"sources.assume.{key}"
        )


def _leaves(path: str) -> bool:
    """Return whether a relative path leads out of the folder that it counts from."""
    return not PurePosixPath(path).is_absolute() and "://" not in path and posixpath.normpath(path).split("/")[0] == ".."


def _table_problems(name: str, source: config.AnyTable) -> Iterator[str]:
    if name not in _BY_NAME:
        yield f"sources.tables.{name}: unknown table{guess(name, _BY_NAME)}; known are {', '.join(_BY_NAME)}"
        return
    if isinstance(source, config.DatabaseTable):
        yield from _database_problems(f"sources.tables.{name}", source)
    known = [str(column) for column in (*_BY_NAME[name].columns, *RULES[name].extra)]
    for ours, theirs in source.columns.items():
        if ours not in known:
            yield f"sources.tables.{name}.columns.{ours}: unknown column{guess(ours, known)}; known are {', '.join(known)}"
        if theirs in source.drop:
            yield f"sources.tables.{name}.columns.{ours}: {theirs!r} is in sources.tables.{name}.drop too; remove it from one"


def _database_problems(where: str, source: config.DatabaseTable) -> Iterator[str]:
    if (source.table is None) == (source.query is None):
        given = "none" if source.table is None else "both"
        yield f"{where}: expected either table (name or schema.name) or query, found {given}"
    if source.table is not None and not all(source.table.split(".", 1)):
        yield f"{where}.table: expected name or schema.name, found {source.table!r}"
    if source.query is not None and not source.query.strip().rstrip(";"):
        yield f"{where}.query: expected a SELECT, found nothing"


def guess(name: str, known: Iterable[str]) -> str:
    """Return which of the known names may have been meant, as the middle of a message."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _paths(sources: config.Sources) -> Iterator[tuple[str, str]]:
    if sources.kind == "online_retail" and sources.path is not None:
        yield "sources.path", sources.path
    for name, source in sources.tables.items():
        if isinstance(source, config.TableSource):
            yield f"sources.tables.{name}.path", table_path(sources, source)


def _exists(path: str) -> bool:
    return bool(fsspec.filesystem("file").glob(path))


def _entries(where: str, path: str) -> Iterator[str]:
    """Yield a line for each file at a path, folder or glob: its name below it and what tells its content."""
    files, root = fsspec.core.url_to_fs(path)
    found = sorted(files.find(root) or [file for match in files.glob(root) for file in files.find(match)])
    if not found:
        raise ConfigError(f"{where}: {path} does not exist; set it to an existing file or folder")
    for file in found:
        entry = files.info(file)
        if entry["size"] <= _HASHED_BYTES:
            identity = _content(files, file)
        else:
            identity = str(entry.get("ETag") or entry.get("mtime") or entry.get("LastModified") or entry.get("updated"))
        yield f"{file.removeprefix(root)} {entry['size']} {identity}"


def _content(files: fsspec.AbstractFileSystem, path: str) -> str:
    hashed = hashlib.sha256()
    with files.open(path, "rb") as opened:
        while block := opened.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()
