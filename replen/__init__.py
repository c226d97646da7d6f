"""replen: from transactions to a certified order table, for millions of SKUs, on Spark."""

__version__ = "0.1.0"
