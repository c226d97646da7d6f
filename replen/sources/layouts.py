"""Folders of files in a layout that others have fixed: whatever is wrong with one is told in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replen.errors import ReplenError, SourceError


@contextmanager
def laid_out(folder: Path, layout: str) -> Iterator[None]:
    """Turn what pandas or Arrow say about files of a folder into one sentence that a user can act on.

    Raises:
        SourceError: the files cannot be read in the layout.
    """
    try:
        yield
    except ReplenError:
        raise
    except Exception as error:  # a value of a wrong kind fails wherever it is first computed with
        reason = (str(error).strip().splitlines() or [""])[0][:300].rstrip(". ")
        raise SourceError(
            f"{folder}: expected files in the layout of {layout}, found what cannot be read as such: {type(error).__name__}: "
            f"{reason}; copy the files again, or mend the values"
        ) from error
