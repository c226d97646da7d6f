"""Purchase orders as files, one a supplier: each file is there whole or not at all, and no cell of it is a formula."""

import csv
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pandas as pd

from replen import tables as t
from replen.errors import TableError

FORMATS = ("csv", "json")
LINE = (t.ORDER_ID, t.SKU, t.SITE, t.SUPPLIER, t.ORDER_DATE, t.EXPECTED_DATE, t.ORDER_QUANTITY, t.VALUE)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NAME_LENGTH = 60


def write_purchase_orders(orders: pd.DataFrame, folder: Path, file_format: str) -> list[Path]:
    """Return the files written, one a supplier, by supplier; a file of the same name is replaced.

    Args:
        orders: rows of `tables.ORDERS`.
        folder: made where it is not there.
        file_format: one of FORMATS.

    Raises:
        TableError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            _write(folder / f"{file_name(str(supplier))}.{file_format}", lines[[*LINE]], file_format)
            for supplier, lines in orders.groupby(t.SUPPLIER)
        ]
    except OSError as error:
        raise TableError(f"{folder}: purchase orders cannot be written: {error.strerror}; give another folder") from error


def file_name(supplier: str) -> str:
    """Return a name for the files of a supplier: letters, digits and dashes; no two suppliers share one, on any disk.

    >>> file_name("mill-2"), file_name("../Mill & Söhne")
    ('mill-2', 'mill-s-hne-935a5f2c')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", supplier.lower()).strip("-")[:NAME_LENGTH]
    if plain == supplier:
        return f"{plain}"
    return "-".join([*filter(None, [plain]), hashlib.sha256(supplier.encode()).hexdigest()[:8]])


def guarded(text: str) -> str:
    """Return text that spreadsheets show and do not calculate: what begins like a formula is quoted.

    >>> guarded("=1+1"), guarded("mill")
    ("'=1+1", 'mill')
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _write(path: Path, lines: pd.DataFrame, file_format: str) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline=""
    ) as file:
        try:
            (_write_csv if file_format == "csv" else _write_json)(file, lines)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path


def _write_csv(file: IO[str], lines: pd.DataFrame) -> None:
    writer = csv.writer(file)
    writer.writerow(lines.columns)
    writer.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in _rows(lines))


def _write_json(file: IO[str], lines: pd.DataFrame) -> None:
    orders = [dict(zip(lines.columns, row, strict=True)) for row in _rows(lines)]
    json.dump({str(t.SUPPLIER): orders[0][t.SUPPLIER], t.ORDERS.name: orders}, file, indent=2, default=str, ensure_ascii=False)


def _rows(lines: pd.DataFrame) -> Iterator[list[object]]:
    """Yield rows with whole numbers written as such, and null as None."""
    plain = lines.astype(object).where(lines.notna(), None)
    for row in plain.itertuples(index=False):
        yield [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in row]
