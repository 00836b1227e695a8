"""TOML files parsed once at the edge. What is wrong is one line: file, key, the fix."""

import difflib
import tomllib
from collections.abc import Set
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class ConfigError(Exception):
    """`file: key: what is wrong; what to write`."""


class Section(BaseModel):
    """A table of a file: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def parse_file(path: Path, model: type[Model], ours: Set[str]) -> Model:
    """The file as `model`, its `source` set to the path; `ours` are fields that a file may not set.

    Raises `ConfigError`.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; write one or name another with --config") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for name in ours & values.keys():
        raise ConfigError(f"{path}: {name}: unknown key")
    try:
        return model.model_validate(values | {"source": path.absolute()})
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error, model)}") from None


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        known = _known_keys(model, found["loc"][:-1])
        near = difflib.get_close_matches(str(found["loc"][-1]), known, 1)
        fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"{where}: unknown key; {fix}"
    if found["type"] == "missing":
        return f"{where}: missing; it has no default"
    text = found["msg"].removeprefix("Value error, ").removeprefix("Input ")
    named = f"{where}: {text}" if where else text
    return named + (f" ({len(error.errors())} problems in all)" if error.error_count() > 1 else "")


def _known_keys(model: type[BaseModel], at: tuple[int | str, ...]) -> list[str]:
    for part in at:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return sorted(name for name in model.model_fields if name not in ("source", "pools"))
