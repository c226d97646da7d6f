"""Channel `files`: a file a notification, whole or not there."""

import os
import re
import secrets
from pathlib import Path

from replen.config import Files
from replen.notify.message import Message, UndeliveredError
from replen.notify.sheet import as_csv

NAME_LENGTH = 60  # characters of the recipient in a file's name


def deliver(message: Message, channel: Files) -> None:
    """Write the notification into the folder of the channel; a repeat replaces the file by the same.

    Raises:
        UndeliveredError: the folder cannot be written.
    """
    text = as_csv(message.content) if channel.format == "csv" else message.body
    folder = Path(channel.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / file_name(message, channel), text.encode())
    except OSError as error:
        raise UndeliveredError(f"{folder} cannot be written: {error.strerror}") from None


def file_name(message: Message, channel: Files) -> str:
    """Return the name of an event's file: when, what, who, event id; names of recipients lose all that paths could mean."""
    content = message.content
    who = re.sub(r"[^A-Za-z0-9-]+", "_", content.recipient.name)[:NAME_LENGTH]
    return f"{content.created_at:%Y%m%dT%H%M%SZ}-{content.kind}-{who}-{message.event_id}.{channel.format}"


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is seen whole and survives a crash once this returns."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
