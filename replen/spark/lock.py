"""One process at a time does a job: a lock on a file of the warehouse, which the system takes back when its holder ends."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

SECONDS_BETWEEN_LOOKS, SECONDS_UNTIL_TOLD = 0.5, 0.01


@contextmanager
def alone(root: str, key: str, note: Callable[[str], None]) -> Iterator[None]:
    """Frame work that no other process or thread does meanwhile; where one does, wait until it ends, and say who it is.

    A holder that is killed or loses its machine loses the lock at once: nothing has to be cleared by hand. Object stores have
    no such lock; there nobody waits, and two processes both do the work.

    Args:
        root: warehouse, a folder or a URL.
        key: of the work.
        note: is told once who is waited for.
    """
    if "://" in root and not root.startswith("file://"):
        yield
        return
    path = Path(root.removeprefix("file://")) / "locks" / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path, note) as file:
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
        file.write(json.dumps(holder))
        file.flush()
        try:
            yield
        finally:
            path.unlink()


def _held(path: Path, note: Callable[[str], None]) -> IO[str]:
    """Return the file of that path, empty and locked."""
    told = False
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told and (holder := _holder(file)) is not None:
                note(f"waiting for another process that does the same work: {holder}")
                told = True
            time.sleep(SECONDS_BETWEEN_LOOKS if told else SECONDS_UNTIL_TOLD)
        else:
            # One that held it before may have removed it since it was opened: then the lock is on a file nobody else sees.
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                return file
        file.close()


def _holder(file: IO[str]) -> str | None:
    """Return who holds a file; None where it has the lock and has not said yet who it is."""
    file.seek(0)
    try:
        told = json.loads(file.read())
    except json.JSONDecodeError:
        return None
    return f"process {told['pid']} on {told['host']}, since {told['since']}"
