"""Revisions of the order database, oldest first in `versions/`; `replen db upgrade` applies those that are missing."""
