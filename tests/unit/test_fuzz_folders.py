"""Malformed folders in the layouts of M5, VN2 and FreshRetailNet: read, or a SourceError that names the folder.

REPLEN_FUZZ=10000 tries as many of each layout.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import replen.tables as t
from replen.errors import SourceError
from replen.sources.fresh_retail import read_fresh_retail
from replen.sources.m5 import read_m5
from replen.sources.vn2 import read_vn2
from tests.unit.test_sources_fresh_retail import folder as fresh_retail_folder
from tests.unit.test_sources_m5 import folder as m5_folder
from tests.unit.vn2_folder import write_week, write_week_0

MANY = settings(max_examples=int(os.environ.get("REPLEN_FUZZ", "50")))
ODD = [
    "",
    "-1",
    "NaN",
    "inf",
    "-inf",
    "1e400",
    "x",
    "é",
    "2024-02-30",
    "0000-00-00",
    "99999999999999999999",
    "d_x",
    '"',
    "\x00",
    "true",
    " 3 ",
]
VALUES = st.sampled_from(ODD) | st.text(max_size=6) | st.floats().map(str) | st.integers().map(str)
Change = Callable[[bytes], bytes]


def vn2_folder(folder: Path) -> Path:
    write_week_0(folder, 4, 6)
    write_week(folder, 1, np.ones((4, 1), np.int64))
    return folder


def cell(row: int, column: int, value: str) -> Change:
    """Return what puts a value into a cell of CSV text; row 0 is the header."""

    def change(content: bytes) -> bytes:
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        fields = lines[row % len(lines)].split(",")
        fields[column % len(fields)] = value
        lines[row % len(lines)] = ",".join(fields)
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    return change


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(cell, st.integers(0, 30), st.integers(0, 30), VALUES),
    st.builds(lambda size: lambda content: content[:size], st.integers(0, 2000)),
    st.builds(lambda extra: lambda content: extra, st.binary(max_size=60)),
    st.builds(
        lambda place, extra: lambda content: content[:place] + extra + content[place:],
        st.integers(0, 3000),
        st.binary(max_size=9),
    ),
    st.builds(lambda: lambda content: content + content),
    st.builds(lambda n: lambda content: b"\n".join(content.split(b"\n")[n:]), st.integers(1, 9)),
    st.builds(
        lambda n: lambda content: b"\n".join(line.rpartition(b",")[0] for line in content.split(b"\n")) if n else b"",
        st.booleans(),
    ),
)
LAYOUTS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "m5": (m5_folder.__wrapped__, read_m5),
    "fresh_retail": (fresh_retail_folder.__wrapped__, read_fresh_retail),
    "vn2": (vn2_folder, read_vn2),
}


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Callable[[Path], Any]]:
    """Return a sound folder, its tables as CSV, and what reads it."""
    make, read = LAYOUTS[request.param]
    folder = make(tmp_path_factory.mktemp(request.param))
    for path in folder.glob("*.parquet"):
        pd.read_parquet(path).to_csv(path.with_suffix(".csv"), index=False)
        path.unlink()
    read(folder)
    return folder, read


@MANY
@given(file=st.integers(0, 9), changes=st.lists(CHANGES, min_size=1, max_size=3), as_parquet=st.booleans())
def test_a_malformed_folder_is_read_or_refused(
    layout: tuple[Path, Callable[[Path], Any]], file: int, changes: list[Change], as_parquet: bool
) -> None:
    sound, read = layout
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(sound, name, dirs_exist_ok=True))
        files = sorted(folder.iterdir())
        changed = files[file % len(files)]
        content = changed.read_bytes()
        for change in changes:
            content = change(content)
        changed.write_bytes(content)
        if as_parquet and read is not read_vn2:
            changed.rename(changed.with_suffix(".parquet"))
        try:
            data = read(folder)
        except SourceError as refused:
            assert name in str(refused)
        else:
            assert set(data.series.columns) == set(t.SERIES.names)
