"""The warehouse without Spark: committed runs and small tables for commands that need no session."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

import replen.tables as t
from replen.tables import Table

Row = dict[str, Any]


def open_root(root: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a folder or URL, and its path there."""
    return fs.FileSystem.from_uri(root) if "://" in root else (fs.LocalFileSystem(), root.rstrip("/"))


def committed_rows(root: str) -> list[Row]:
    """Return the rows of `runs`; none where nothing was committed yet."""
    try:
        rows: list[Row] = DeltaTable(f"{root}/{t.RUNS.name}").to_pyarrow_table().to_pylist(maps_as_pydicts="strict")
    except TableNotFoundError:
        return []
    return rows


def configuration(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name and freq that a committed run was configured with: runs of one are compared, and expire, together."""
    config = json.loads(row[t.CONFIG])
    return config["name"], config["freq"]


def read_rows(root: str, table: Table, commit: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of a small table whose key has the run, as a row of `runs` committed it, in the table's columns."""
    log = DeltaTable(f"{root}/{table.name}", version=commit[t.VERSIONS][table.name])
    found = log.to_pyarrow_table(filters=[(str(t.RUN_ID), "=", commit[t.PRODUCER])])
    return pd.DataFrame(found.to_pylist(maps_as_pydicts="strict"), columns=table.names)
