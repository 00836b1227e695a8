"""agent.conf: INI, every key known, every value typed; what is wrong is named with its file, section and key."""

import configparser
import io
import os
import re
from typing import Any, Callable, Dict, List, NamedTuple, Tuple, TypeVar

DEFAULT_CONFIG = "/etc/chainwatch/agent.conf"
MIB = 1024 * 1024
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")
_T = TypeVar("_T")


class Settings(NamedTuple):
    """What agent.conf says. Paths in `logs` are dom0's own (`/var/log/SMlog`); `root` is where that dom0's / is.

    `heartbeat_seconds` and `watch_busy_seconds` of 0 mean: what the collector says.
    """

    addresses: Tuple[str, ...]
    ca: str
    certificate: str
    key: str
    logs: Tuple[str, ...]
    poll_seconds: float
    inotify: bool
    history_seconds: float
    history_bytes: int
    window_bytes: int
    span_bytes: int
    ring_observations: int
    reconnect_seconds: float
    reconnect_max_seconds: float
    keepalive_seconds: float
    heartbeat_seconds: float
    watch_seconds: float
    watch_busy_seconds: float
    process_events: bool
    evidence: bool
    root: str
    state_dir: str


class ConfigError(Exception):
    """One line: file, section, key, what is wrong, what is right."""

    def __init__(self, text: str) -> None:
        printable = "".join(c if c.isprintable() else " " for c in text)
        super().__init__(" ".join(printable.split()))


def load(path: str, enrolled: bool = True) -> Settings:
    """Read a file. Raises `ConfigError`. Before enrolment it may name no collector, or not be there at all."""
    if not enrolled and not os.path.exists(path):
        return parse(path, b"", enrolled)
    try:
        with io.open(path, "rb") as stream:
            raw = stream.read(MIB + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(
            "{}: {}: write it as the README shows, or name another with --config".format(path, why)
        ) from error
    if len(raw) > MIB:
        raise ConfigError("{}: larger than 1 MiB, that is no agent.conf".format(path))
    return parse(path, raw, enrolled)


def parse(path: str, raw: bytes, enrolled: bool = True) -> Settings:
    """The settings in the bytes of a file called `path`. Raises `ConfigError`."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("{}: byte {} is not UTF-8".format(path, error.start)) from None
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), default_section="", strict=True)
    try:
        parser.read_string(text, source=path)
    except configparser.Error as error:
        raise ConfigError("{}: {}".format(path, str(error).replace("\n", " "))) from None
    values: Dict[str, Any] = {}
    for section in parser.sections():
        keys = _KEYS.get(section)
        if keys is None:
            raise ConfigError("{}: [{}] is no section; there are {}".format(path, section, _listed(_KEYS)))
        for key, text in parser.items(section):
            found = keys.get(key)
            if found is None:
                raise ConfigError("{}: [{}] {}: no such key; there are {}".format(path, section, key, _listed(keys)))
            name, read, right, _ = found
            try:
                values[name] = read(text)
            except ValueError:
                raise ConfigError("{}: [{}] {} = {}: {}".format(path, section, key, text[:100], right)) from None
    return _settings(path, values, enrolled)


def _settings(path: str, values: "Dict[str, Any]", enrolled: bool) -> Settings:
    defaults = {name: default for keys in _KEYS.values() for name, _, _, default in keys.values()}
    for name, default in defaults.items():
        values.setdefault(name, default)
    if enrolled and not values["addresses"]:
        raise ConfigError("{}: [collector] addresses: missing; write host:port, several by commas".format(path))
    for name, file_name in (("ca", "ca.pem"), ("certificate", "cert.pem"), ("key", "key.pem")):
        values[name] = values[name] or os.path.join(values["state_dir"], "tls", file_name)
    return Settings(**values)


def _listed(names: "Dict[str, Any]") -> str:
    return ", ".join(sorted(names))


def _switch(text: str) -> bool:
    return {"yes": True, "no": False}[text] if text in ("yes", "no") else _wrong()


def _wrong() -> bool:
    raise ValueError


def _number(low: float, high: float) -> "Callable[[str], float]":
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _whole(low: int, high: int) -> "Callable[[str], int]":
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _path(text: str) -> str:
    if not text.startswith("/") or "\x00" in text:
        raise ValueError
    return os.path.normpath(text)


def _log_paths(text: str) -> "Tuple[str, ...]":
    paths = [_path(part) for part in _parts(text)]
    if not paths or len(paths) > 64 or not all(path.startswith("/var/log/") for path in paths):
        raise ValueError
    return tuple(paths)


def _addresses(text: str) -> "Tuple[str, ...]":
    parts = _parts(text)
    for part in parts:
        found = _ADDRESS.match(part)
        if found is None or not 0 < int(found.group(1)) < 65536:
            raise ValueError
    if not parts:
        raise ValueError
    return tuple(parts)


def _parts(text: str) -> "List[str]":
    return [part for part in re.split(r"[,\s]+", text.strip()) if part]


_PATH = "an absolute path is right"
_SWITCH = "yes or no is right"
_SECONDS = "a number of seconds from {:g} to {:g} is right"
_BYTES = "a number of bytes from {} to {} is right"


def _seconds(name: str, low: float, high: float, default: float) -> "Tuple[str, Callable[[str], Any], str, Any]":
    return (name, _number(low, high), _SECONDS.format(low, high), default)


def _bytes(name: str, low: int, high: int, default: int) -> "Tuple[str, Callable[[str], Any], str, Any]":
    return (name, _whole(low, high), _BYTES.format(low, high), default)


_ALL_LOGS = ("/var/log/SMlog", "/var/log/daemon.log", "/var/log/kern.log", "/var/log/user.log")
_MORE_LOGS = ("/var/log/drbd-kern.log", "/var/log/xensource.log")

# section → key → (name in Settings, reader, what is right, default)
_KEYS = {
    "collector": {
        "addresses": ("addresses", _addresses, "host:port is right, several by commas", ()),
        "ca": ("ca", _path, _PATH, ""),
        "cert": ("certificate", _path, _PATH, ""),
        "key": ("key", _path, _PATH, ""),
        "reconnect_seconds": _seconds("reconnect_seconds", 0.01, 60, 1.0),
        "reconnect_max_seconds": _seconds("reconnect_max_seconds", 0.01, 600, 60.0),
        "keepalive_seconds": _seconds("keepalive_seconds", 5, 3600, 20.0),
    },
    "log": {
        "files": ("logs", _log_paths, "absolute paths below /var/log/ are right, by commas", _ALL_LOGS + _MORE_LOGS),
        "poll_seconds": _seconds("poll_seconds", 0.01, 60, 1.0),
        "inotify": ("inotify", _switch, _SWITCH, True),
    },
    "history": {
        "seconds": _seconds("history_seconds", 0, 365 * 86400, 86400.0),
        "bytes": _bytes("history_bytes", 0, 1 << 40, 300 * MIB),
    },
    "limits": {
        "window_bytes": _bytes("window_bytes", 64 * 1024, 64 * MIB, 4 * MIB),
        "span_bytes": _bytes("span_bytes", 4096, 512 * 1024, 128 * 1024),
        "observations": ("ring_observations", _whole(8, 100000), "a number from 8 to 100000 is right", 256),
    },
    "watch": {
        "heartbeat_seconds": _seconds("heartbeat_seconds", 0, 600, 0.0),
        "seconds": _seconds("watch_seconds", 0.05, 600, 5.0),
        "busy_seconds": _seconds("watch_busy_seconds", 0, 600, 0.0),
        "process_events": ("process_events", _switch, _SWITCH, True),
    },
    "evidence": {"allow": ("evidence", _switch, _SWITCH, True)},
    "host": {
        "root": ("root", _path, _PATH, "/"),
        "state_dir": ("state_dir", _path, _PATH, "/var/lib/chainwatch-agent"),
    },
}  # type: Dict[str, Dict[str, Tuple[str, Callable[[str], Any], str, Any]]]


def below(root: str, path: str) -> str:
    """Where dom0's absolute `path` is when dom0's / is `root`."""
    return path if root == "/" else root + path
