"""Session, table store, buckets: with jobs/ and sources/ the only places that import pyspark."""
