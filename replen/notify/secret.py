"""Secrets and trust: where they come from, and that no message tells a secret."""

import os
import ssl
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from replen.errors import ConfigError

FROM_ENVIRONMENT, FROM_FILE = "env:", "file:"


def secret(setting: str, *, where: str) -> str:
    """Return what `env:NAME` or `file:PATH` holds, without white space around it; anything else is itself.

    Args:
        setting: value of the key.
        where: the configuration key, for messages.

    Raises:
        ConfigError: there is no such variable or file, or nothing is in it.
    """
    if setting.startswith(FROM_ENVIRONMENT):
        found = os.environ.get(setting.removeprefix(FROM_ENVIRONMENT), "")
    elif setting.startswith(FROM_FILE):
        found = _text(Path(setting.removeprefix(FROM_FILE)))
    else:
        return setting
    if not found.strip():
        raise ConfigError(f"{where}: {setting} is missing or empty; put the value there")
    return found.strip()


@cache
def trusted(ca_file: str | None) -> ssl.SSLContext:
    """Return TLS that verifies who answers, by the certificates of a file or of the system; reading them takes 20 ms."""
    return ssl.create_default_context(cafile=ca_file)


def without(text: str, hidden: Iterable[str | None]) -> str:
    r"""Return text on one line, with every secret in it masked.

    >>> without("535 no\nhunter2", ["hunter2", None])
    '535 no ***'
    """
    for one in hidden:
        text = text.replace(one, "***") if one else text
    return " ".join(text.split())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
