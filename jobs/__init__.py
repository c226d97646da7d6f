"""Spark-submit entries, one for every table or group of tables written."""
