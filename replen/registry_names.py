"""Names in the registry and in runs, of the characters that MLflow allows; versions of packages that a model names."""

import hashlib
import re
from collections.abc import Iterable
from importlib import metadata

from replen.features.segments import ALL

CHAMPION, CHALLENGER = "champion", "challenger"


def alias(role: str, segment: str) -> str:
    """Return the alias of a role in a segment; the whole has none but the role's.

    >>> alias("champion", "all"), alias("champion", "class=lumpy")
    ('champion', 'champion-class-lumpy')
    """
    return role if segment == ALL else "-".join([role, *map(plain, segment.split("=", 1))])


def plain(text: str) -> str:
    """Return text of letters, digits, `_` and `-`, which names in MLflow may have; other text gets a hash, to stay different.

    >>> plain("lumpy"), plain("Home & Garden")
    ('lumpy', 'Home-Garden-2782')
    """
    kept = re.sub(r"[^\w-]+", "-", text)
    return kept if kept == text else f"{kept}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def installed(packages: Iterable[str]) -> list[str]:
    """Return those of the packages that are installed, each with its version: `numpy==2.4.6`."""
    versions = {package.name.replace("_", "-"): package.version for package in metadata.distributions()}
    return [f"{name}=={versions[name]}" for name in packages if name in versions]


def fold_folder(cutoff: str) -> str:
    """Return the artifact folder of the forecaster that a fold was scored with, in the run of its family."""
    return f"folds/{cutoff}"
