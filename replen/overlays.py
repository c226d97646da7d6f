"""Configuration files -> `Config`: base, overlay, `--set`. The only door to YAML."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from replen.config import Config
from replen.errors import ConfigError
from replen.masks import masked

Tree = dict[str, Any]


def load_config(path: Path | None, settings: Iterable[str] = ()) -> Config:
    """Return `base.yaml`, overlaid by the file at `path`, overlaid by `key=value` settings.

    `base.yaml` is the one beside `path`, else the one the package ships.

    Raises:
        ConfigError: naming every unknown, missing, mistyped or contradictory key.
    """
    tree = _read(_base_beside(path))
    origin = str(path or "base.yaml")
    if path is not None and path.name != "base.yaml":
        tree = _overlay(tree, _read(path))
    for setting in settings:
        tree = _overlay(tree, _parse_setting(setting))
        origin = f"{path or 'base.yaml'} and --set"
    try:
        return Config.model_validate(tree)
    except ValidationError as invalid:
        raise ConfigError("\n  ".join([f"{origin} is not a valid configuration:", *_explain(invalid)])) from None


@cache
def code_version() -> str:
    """Return a hash of the source of jobs and package, the same from a folder, a wheel or a zip shipped to a cluster."""
    packages = ("jobs", "replen")
    sources = [source for package in packages for source in sorted(_sources(resources.files(package), f"{package}/"))]
    return digest([[name, source.decode()] for name, source in sources])


def digest(*parts: object) -> str:
    """Return a short hash of JSON-able parts; configuration sections among them are hashed key by key.

    >>> digest("a", 1) == digest("a", 1), digest("a", 1) == digest("a", 2)
    (True, False)
    """
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _base_beside(path: Path | None) -> Traversable:
    beside = path.parent / "base.yaml" if path is not None else None
    if beside is not None and beside.is_file():
        return beside
    return resources.files("replen") / "conf" / "base.yaml"


def _read(path: Traversable) -> Tree:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a configuration file, found none; see conf/ for the ones that exist") from None
    except (yaml.YAMLError, ValueError, OSError) as unreadable:
        raise ConfigError(f"{path}: cannot be read as YAML: {unreadable}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected sections with keys, found {type(tree).__name__}")
    return tree


def _overlay(base: Tree, over: Tree) -> Tree:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _overlay(base[key], value) if both else value
    return merged


def _parse_setting(setting: str) -> Tree:
    key, separator, value = setting.partition("=")
    if not separator or not all(key.split(".")):
        raise ConfigError(f"--set {masked(setting)!r}: expected key=value, e.g. --set plan.horizon=6")
    try:
        tree = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as unreadable:
        raise ConfigError(f"--set {masked(setting)!r}: the value is not YAML: {masked(str(unreadable))}") from None
    for part in reversed(key.split(".")):
        tree = {part: tree}
    return dict(tree)


def _explain(invalid: ValidationError) -> list[str]:
    # Even a key may be a URL with its password, in the wrong place.
    return [masked(_explain_one(error["loc"], error["type"], error["msg"], error.get("input"))) for error in invalid.errors()]


def _explain_one(location: tuple[int | str, ...], kind: str, message: str, found: object) -> str:
    key = ".".join(str(part) for part in _without_formats(location)) or "configuration"
    if kind.startswith("union_tag"):
        shown = found.get("format") if isinstance(found, dict) else found
        return f"{key}.format: expected csv, parquet or database, found {shown!r}"
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1)
        return f"{key}: unknown key" + (f"; did you mean {close[0]!r}?" if close else "; see conf/base.yaml for every key")
    if kind == "missing":
        return f"{key}: expected a value, found none"
    if kind == "value_error":
        return message.removeprefix("Value error, ").replace("; ", "\n  ")
    return f"{key}: {message[0].lower()}{message[1:]}, found {found!r}"


def _without_formats(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the location without the format of a table, which pydantic puts after its name."""
    return location[:3] + location[4:] if location[:2] == ("sources", "tables") else location


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    section: Any = Config
    for part in location:
        section = _below(section, part)
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _below(section: Any, part: int | str) -> Any:
    """Return what kind of value a part of a location leads to, None where that is no section."""
    if isinstance(section, type) and issubclass(section, BaseModel):
        field = section.model_fields.get(str(part))
        return field.annotation if field is not None else None
    if get_origin(section) is dict:
        return get_args(section)[1]
    if get_origin(section) is Annotated:  # one of several sections, told apart by their format
        kinds = get_args(get_args(section)[0])
        return next((kind for kind in kinds if part in get_args(kind.model_fields["format"].annotation)), None)
    return None
