"""Malformed configurations, of any shape: one that is valid, or a ConfigError; never another exception, never a password.

REPLEN_FUZZ=10000 tries as many of each kind.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from replen import overlays
from replen.config import Config
from replen.errors import ConfigError, ReplenError
from replen.overlays import load_config
from replen.sources.locate import check
from replen.spark.keys import job_keys

MANY = settings(max_examples=int(os.environ.get("REPLEN_FUZZ", "50")))
SECRET = "-".join(["s3cr3t", "p4ss"])  # in parts, or Hypothesis finds the word here and names keys after it
URL = f"postgresql+psycopg://replen:{SECRET}@db/shop"
BASE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "conf" / "base.yaml").read_text(encoding="utf-8"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.text()
    | st.sampled_from(
        ["", ".", "..", "env:", "env:X", "file:", "file:/", "\x00", "1e999", "NaN", "=", "=x", "*", "é", URL, "x" * 5000]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | LEAVES, inner, max_size=4),
    max_leaves=8,
)
TABLE_KEYS = ["path", "format", "columns", "drop", "database", "table", "query", "partition", "since", "tabel"]
TABLES = st.dictionaries(
    st.sampled_from(["sales", "stock", "supply", "sale", "", "a.b"]) | st.text(max_size=5),
    st.dictionaries(st.sampled_from(TABLE_KEYS), VALUES, max_size=8)
    | st.fixed_dictionaries(
        {"format": st.sampled_from(["csv", "database", "parquet", "jdbc"]), "columns": VALUES, "drop": VALUES},
        optional={name: VALUES for name in TABLE_KEYS if name not in ("format", "columns", "drop")},
    ),
    max_size=3,
)


def paths(tree: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every key."""
    if not isinstance(tree, dict):
        return [above]
    return [above, *(path for key, value in tree.items() for path in paths(value, (*above, str(key))))]


KEYS = st.sampled_from(paths(BASE)[1:])


@pytest.fixture(autouse=True, scope="module")
def base_read_once() -> Iterator[None]:
    """Parse base.yaml once, which takes most of the time of loading a configuration."""
    read, base = overlays._read, cache(overlays._read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlays, "_read", lambda path: base(path) if path.name == "base.yaml" else read(path))
        yield


def nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def refusal(path: Path, text: bytes) -> str:
    """Return the message that a file is refused with; empty where it is accepted, shown and named as a run."""
    path.write_bytes(text)
    try:
        config = load_config(path)
        shown = config.model_dump_json() + repr(config) + str(job_keys(config, "inputs", on_the_way=None))
        assert SECRET not in shown
        check(config.sources)
    except ReplenError as refused:
        assert isinstance(refused, ConfigError)
        return str(refused)
    return ""


@MANY
@given(tree=VALUES | st.builds(nested, KEYS, VALUES) | st.builds(nested, st.just(("sources", "tables")), TABLES))
def test_any_tree_is_a_configuration_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")
    message = refusal(tmp_path_factory.getbasetemp() / "fuzz.yaml", text)
    assert SECRET not in message
    assert "Traceback" not in message


@MANY
@given(text=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_configuration_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    refusal(tmp_path_factory.getbasetemp() / "fuzz.yaml", text)


@MANY
@given(key=KEYS.map(".".join) | st.text(max_size=20), value=st.text(max_size=30) | LEAVES.map(str))
def test_any_setting_is_taken_or_refused(key: str, value: str) -> None:
    try:
        assert isinstance(load_config(None, [f"{key}={value}"]), Config)
    except ConfigError as refused:
        assert SECRET not in str(refused)
