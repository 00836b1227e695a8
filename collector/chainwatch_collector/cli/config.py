"""Where the collector is and who asks: environment first, then `~/.config/chainwatch/cli.toml`, then the default."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chainwatch_collector.cli.errors import CliError

DEFAULT_URL: Final = "https://127.0.0.1:8443"
DEFAULT_ORIGIN: Final = "the default"
_KEYS: Final = frozenset({"url", "token", "ca_file"})
CONFIG_EXIT: Final = 64


@dataclass(frozen=True, slots=True)
class CliConfig:
    """`origin` says where the address came from, for the error that names it."""

    url: str
    token: str | None
    ca_file: str | None
    origin: str

    @property
    def configured(self) -> bool:
        """Whether somebody named a collector; the default address is a guess."""
        return self.origin != DEFAULT_ORIGIN


def config_path(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "chainwatch" / "cli.toml"


def read_config(environment: Mapping[str, str] | None = None) -> CliConfig:
    """Raises `CliError` for a file that is malformed, has an unknown key, or shows a token to others."""
    env = os.environ if environment is None else environment
    path = config_path(env)
    stored = _read_file(path)
    url = env.get("CHAINWATCH_URL") or stored.get("url")
    origin = "CHAINWATCH_URL" if env.get("CHAINWATCH_URL") else str(path) if url else DEFAULT_ORIGIN
    url = (url or DEFAULT_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise CliError(f"{origin}: {url!r} is no address", f"give one such as {DEFAULT_URL}", CONFIG_EXIT)
    token = env.get("CHAINWATCH_TOKEN") or stored.get("token")
    return CliConfig(url, token, env.get("CHAINWATCH_CA_FILE") or stored.get("ca_file"), origin)


def _read_file(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode & 0o077
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path}: cannot be read: {error}", "chainwatch login writes it anew", CONFIG_EXIT) from error
    except tomllib.TOMLDecodeError as error:
        raise CliError(f"{path}: no valid TOML: {error}", "chainwatch login writes it anew", CONFIG_EXIT) from error
    for key, value in values.items():
        if key not in _KEYS:
            raise CliError(f"{path}: unknown key {key!r}", f"known are {', '.join(sorted(_KEYS))}", CONFIG_EXIT)
        if not isinstance(value, str):
            raise CliError(f"{path}: {key} must be a text in quotes", f'write {key} = "…"', CONFIG_EXIT)
    if mode and "token" in values:
        raise CliError(f"{path}: others may read the token in it", f"chmod 600 {path}", CONFIG_EXIT)
    return values


def write_config(path: Path, url: str, token: str | None, ca_file: str | None) -> None:
    """Replace the file, mode 0600. Raises `CliError` where that fails."""
    pairs = (("url", url), ("token", token), ("ca_file", ca_file))
    text = "".join(f"{key} = {_quoted(value)}\n" for key, value in pairs if value)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".new")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise CliError(f"{path}: cannot be written: {error.strerror}", "check the directory's rights") from error


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
