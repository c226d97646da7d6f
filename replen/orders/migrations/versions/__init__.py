"""One file a revision. A revision spells its columns itself: it stays as it was when `tables.py` changes."""
