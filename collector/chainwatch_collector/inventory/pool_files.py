"""`pools.d`: a pool's file and its secret, written whole or not at all, the secret for nobody else to read."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chainwatch_collector.config_file import ConfigError, parse_file
from chainwatch_collector.inventory.pool_config import NOT_OF_THE_FILE, PoolSettings

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Value = str | bool | list[str]


def pool_file(directory: Path, name: str) -> Path:
    """Where the pool of this name stands. Raises `ConfigError` for a name that cannot be a file's."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a pool: letters, digits, dots, dashes, at most 64")
    return directory / f"{name}.toml"


def secret_file(directory: Path, name: str) -> Path:
    """Where `write_secret` puts its password."""
    return pool_file(directory, name).with_suffix(".password")


def write_secret(directory: Path, name: str, password: str) -> Path:
    """The password's file, of mode 0600. Raises `ConfigError`."""
    path = secret_file(directory, name)
    _write(path, password + "\n", 0o600)
    return path


def write_pool(directory: Path, name: str, values: Mapping[str, Value]) -> PoolSettings:
    """The pool's file, checked. Raises `ConfigError`, also where there is one already; then nothing is changed."""
    path = pool_file(directory, name)
    if path.exists():
        raise ConfigError(f"{path}: is there already; `chainwatch pool remove {name}` first, or edit it")
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
    _write(path, text, 0o644)
    try:
        return parse_file(path, PoolSettings, NOT_OF_THE_FILE)
    except ConfigError:
        path.unlink()
        raise


def remove_pool(directory: Path, name: str) -> list[Path]:
    """Remove its file, and its secret where `write_secret` made it; what was removed. Raises `ConfigError`."""
    path, secret = pool_file(directory, name), secret_file(directory, name)
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in directory.glob("*.toml"))) or "none"
        raise ConfigError(f"{path}: no such file; pools here: {known}")
    removed = []
    for one in (path, secret):
        try:
            one.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{one}: cannot be removed: {error.strerror}") from None
        removed.append(one)
    return removed


def _toml(value: Value) -> str:
    """JSON's strings, booleans and lists of strings are TOML's too."""
    return json.dumps(value, ensure_ascii=True)


def _write(path: Path, text: str, mode: int) -> None:
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            os.fchmod(descriptor, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; is this the collector's user?") from None
