"""Raw columns -> typed columns: null where a value cannot be read as the type."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    IntegralType,
    LongType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

_NANOSECONDS = 10**16  # April 1970
_READABLE_FROM: dict[str, tuple[type[DataType], ...]] = {
    # Identifiers that were stored as fractions have lost leading zeros and digits: not read.
    "string": (StringType, IntegralType, DateType, BooleanType),
    "double": (StringType, NumericType),
    "int": (StringType, NumericType),
    "date": (StringType, DateType, TimestampType, TimestampNTZType, LongType),
    "boolean": (StringType, BooleanType, IntegralType),
}


def readable(source: DataType, target: str) -> bool:
    """Return whether a column of the source type can hold values of the target DDL type at all."""
    return isinstance(source, _READABLE_FROM[target])


def is_typed(source: DataType, target: str) -> bool:
    """Return whether values of the source type are values of the target DDL type as they stand."""
    return source.simpleString() == target


def expected(target: str) -> str:
    """Return the source types that can be read as the target, for messages."""
    return ", ".join(kind.__name__.removesuffix("Type").lower() for kind in _READABLE_FROM[target])


def typed(raw: Column, source: DataType, target: str, *, date_format: str | None = None) -> Column:
    """Return the column as the target DDL type; null where a value cannot be read.

    Dates in text are ISO (2024-01-31, time of day allowed) unless a Spark date pattern is given; the time of day is cut off.
    """
    if is_typed(source, target):
        return raw
    if target == "date":
        return moment(raw, source, date_format).cast("date")
    if target in ("double", "int"):
        number = _number(raw, source)
        whole = number.try_cast("int")  # null where it is too large, where F.floor would stop the run
        return number if target == "double" else F.when(number == whole, whole)
    return raw.try_cast(target)


def moment(raw: Column, source: DataType, date_format: str | None = None) -> Column:
    """Return the column as a timestamp (UTC where text names no zone); null where a value cannot be read."""
    if isinstance(source, LongType):  # nanoseconds, how pandas writes timestamps; smaller numbers are something else
        return F.when(F.abs(raw) >= _NANOSECONDS, F.timestamp_micros((raw / 1000).cast("bigint")))
    if not isinstance(source, StringType):
        return raw.try_cast("timestamp")
    if date_format is not None:
        return F.try_to_timestamp(raw, F.lit(date_format))
    # Spark would read 2024 as a date too.
    return F.when(raw.rlike(r"^\s*\d{4}-\d{1,2}-\d{1,2}"), raw.try_cast("timestamp"))


def _number(raw: Column, source: DataType) -> Column:
    if not isinstance(source, StringType):
        return raw.try_cast("double")
    # Java reads 12D and 12F as numbers.
    return F.when(~raw.rlike(r"\d\s*[dDfF]\s*$"), raw.try_cast("double"))
