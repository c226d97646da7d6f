"""Checks of the data before anything is planned: small frames of counts in, a table of values, levels and what to do out."""
