"""Purchase orders as files: one a supplier, whole or not there, and nothing in them that a spreadsheet runs."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replen import tables as t
from replen.errors import TableError
from replen.orders.export import FORMULA_STARTS, file_name, write_purchase_orders
from tests.unit.orders_written import of_lines


def orders(*suppliers, skus=("a",)):
    return pd.concat([rows for name in suppliers for rows in of_lines(dict.fromkeys(skus, 6.0), supplier=name)["orders"]])


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_each_supplier_has_a_file_with_its_orders(tmp_path, file_format):
    paths = write_purchase_orders(orders("mill", "Mill", skus=("a", "b")), tmp_path / "new" / "folder", file_format)
    assert len(paths) == 2
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())
    lines = read(tmp_path / f"new/folder/mill.{file_format}")
    assert [line[t.SKU] for line in lines] == ["a", "b"]
    assert {(line[t.SUPPLIER], str(line[t.ORDER_QUANTITY])) for line in lines} == {("mill", "6")}
    assert {str(line[t.EXPECTED_DATE])[:10] for line in lines} == {"2024-04-25"}


def read(path):
    if path.suffix == ".json":
        return json.loads(path.read_text())["orders"]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@given(names=st.lists(st.text(alphabet="aA./\\-: \x00\u00e4=con", max_size=6), min_size=2, max_size=6, unique=True))
def test_file_names_are_safe_and_differ(names):
    files = [file_name(name) for name in names]
    assert len({file.lower() for file in files}) == len(names)
    for file in files:
        assert Path(file).name == file
        assert set(file) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(sku=st.text(alphabet="=+-@\t\r\n'\"a,1 ", min_size=1, max_size=5))
def test_no_cell_of_a_csv_file_is_a_formula(sku, tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    (path,) = write_purchase_orders(orders("mill", skus=(sku,)), folder, "csv")
    (line,) = read(path)
    assert line[t.SKU] in {sku, f"'{sku}"}
    assert not any(cell.startswith(FORMULA_STARTS) for cell in line.values())
    (path,) = write_purchase_orders(orders("mill", skus=(sku,)), folder, "json")
    assert read(path)[0][t.SKU] == sku


def test_a_write_that_fails_leaves_the_file_there_was(tmp_path, monkeypatch):
    (path,) = write_purchase_orders(orders("mill"), tmp_path, "csv")
    before = path.read_text()
    monkeypatch.setattr("replen.orders.export.os.fsync", broken)
    with pytest.raises(TableError, match="purchase orders cannot be written: No space left"):
        write_purchase_orders(orders("mill", skus=("b",)), tmp_path, "csv")
    assert [path.read_text() for path in tmp_path.iterdir()] == [before]


def broken(_file):
    raise OSError(28, "No space left on device")
