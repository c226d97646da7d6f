"""CSV and Parquet files as frames of raw columns under our names; every failure names file, column and config key."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from replen.errors import ConfigError, SourceError

CORRUPT = "_corrupt_record"
BROKEN_TEXT = "\ufffd"


def load(spark: SparkSession, path: str, file_format: str, *, where: str) -> DataFrame:
    """Return the rows of a file or folder as they stand: CSV columns are text, Parquet columns keep their types.

    CSV has a header and is UTF-8; quoted fields may hold commas, quotes (doubled) and newlines. Rows with too few or too
    many fields have their text in the column `_corrupt_record`.

    Args:
        spark: the session.
        path: file, folder or glob, local or any URL Spark reads.
        file_format: csv or parquet.
        where: the config key that names the file, for messages.

    Raises:
        ConfigError: the path does not exist.
        SourceError: the file is empty, truncated or of another format.
    """
    with naming(path, where):
        if file_format == "parquet":
            return spark.read.parquet(path)
        header = _csv(spark).csv(path).columns
    if not header:
        raise SourceError(f"{where}: {path} is empty: expected a header line and rows; give the file's full content")
    schema = StructType([StructField(name, StringType()) for name in [*header, CORRUPT]])
    return _csv(spark).schema(schema).csv(path).withColumnRenamed(header[0], header[0].removeprefix("\ufeff"))


def _csv(spark: SparkSession) -> DataFrameReader:
    return spark.read.options(header=True, multiLine=True, quote='"', escape='"', encoding="UTF-8", enforceSchema=True)


def rename(
    raw: DataFrame, columns: Mapping[str, str], wanted: Sequence[str], *, dropped: Sequence[str] = ()
) -> dict[str, Column]:
    """Return our column name -> raw column: mapped (`=text` is a constant), or found under our own name; others are left out.

    A column that the mapping names and the file lacks is left out too, for the caller to name.
    """
    found = [name for name in raw.columns if name not in dropped]
    chosen: dict[str, Column] = {}
    for name in wanted:
        theirs = columns.get(name, name)
        if theirs.startswith("="):
            chosen[name] = F.lit(theirs[1:])
        elif theirs in found:
            chosen[name] = raw[f"`{theirs.replace('`', '``')}`"]
    return chosen


@contextmanager
def naming(path: str, where: str) -> Iterator[None]:
    """Turn what Spark says about an unreadable file into one sentence that a user can act on.

    Raises:
        ConfigError: the path does not exist.
        SourceError: anything else Spark could not read.
    """
    try:
        yield
    except PySparkException as error:
        condition = error.getCondition() or ""
        if condition == "PATH_NOT_FOUND":
            raise ConfigError(f"{where}: {path} does not exist; set it to an existing file or folder") from None
        if condition == "UNABLE_TO_INFER_SCHEMA":
            raise SourceError(f"{where}: {path} holds no data; expected rows and a schema") from None
        raise SourceError(_unreadable(path, where, str(error))) from None
    except Py4JJavaError as error:
        raise SourceError(_unreadable(path, where, str(error.java_exception))) from None


def _unreadable(path: str, where: str, reason: str) -> str:
    sentence = re.sub(r"^([\w.$]+: )?(\[[A-Z_.0-9]+\] )?", "", reason.strip().splitlines()[0])
    return f"{where}: {path} cannot be read: {sentence[:300].rstrip('. ')}; copy the file again, or mend its format"
