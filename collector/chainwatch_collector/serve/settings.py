"""`collector.toml` and `pools.d/*.toml`, parsed once at the edge. What is wrong is one line: file, key, the fix."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import URL

from chainwatch_collector.judge.thresholds import ThresholdError, parse
from chainwatch_collector.keep.engine import DatabaseUrlError, parse_url, sqlite_url
from chainwatch_collector.receive.limits import IngestLimits

DEFAULT_CONFIG = Path("/etc/chainwatch/collector.toml")
Model = TypeVar("Model", bound=BaseModel)
Days = Annotated[int, Field(ge=1, le=3650)]


class ConfigError(Exception):
    """`file: key: what is wrong; what to write`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TlsSection(_Section):
    """PEM files; a relative path starts at the configuration file's directory."""

    certificate: str = "tls/server.pem"
    key: str = "tls/server.key"


class IngestSection(TlsSection):
    """Where agents connect. `client_ca` signs their certificates."""

    listen: str = "127.0.0.1:8442"
    client_ca: str = "tls/ca.pem"
    max_streams: Annotated[int, Field(ge=1, le=100_000)] = 5000
    window_bytes: Annotated[int, Field(ge=65_536, le=1 << 30)] = 4 * 1024 * 1024
    max_message_bytes: Annotated[int, Field(ge=65_536, le=64 * 1024 * 1024)] = 1024 * 1024
    heartbeat_seconds: Annotated[int, Field(ge=1, le=300)] = 10
    sample_seconds: Annotated[int, Field(ge=1, le=300)] = 2

    @field_validator("listen")
    @classmethod
    def _address(cls, text: str) -> str:
        return _checked_address(text)

    def limits(self) -> IngestLimits:
        """For the ingest service."""
        return IngestLimits(
            window_bytes=self.window_bytes,
            max_message_bytes=self.max_message_bytes,
            heartbeat_seconds=self.heartbeat_seconds,
            sample_seconds=self.sample_seconds,
            max_streams=self.max_streams,
            silent_seconds=3.5 * self.heartbeat_seconds,
        )


class WebSection(TlsSection):
    """Web, REST, metrics, enrolment. `tls = false` only behind a proxy on the same machine."""

    listen: str = "127.0.0.1:8443"
    tls: bool = True
    external_url: str = ""

    @field_validator("listen")
    @classmethod
    def _address(cls, text: str) -> str:
        return _checked_address(text)


class RetentionSection(_Section):
    """How long what is kept. `max_bytes` caps the evidence as a whole; 0 is no cap."""

    evidence_days: Days = 30
    history_days: Days = 400
    samples_days: Days = 7
    max_bytes: Annotated[int, Field(ge=0)] = 50 * 1024**3


class RescanSection(_Section):
    """The one action. Off until somebody turns it on."""

    enabled: bool = False


class PoolSettings(_Section):
    """One file of `pools.d`. The password stands in a file of mode 0600, never here."""

    name: str = ""
    addresses: Annotated[list[str], Field(min_length=1)]
    username: str
    password_file: str
    ca_file: str = ""
    verify_host_name: bool = True
    # Times of the backup window, "HH:MM-HH:MM" in the pool's zone; empty: learnt from the jobs.
    backup_windows: list[str] = []
    source: Path = Path()

    def path(self, text: str) -> Path:
        """A path of this file."""
        return self.source.parent / text


class Settings(_Section):
    """All of collector.toml. `source` is the file; `pools` come from `pools_dir`."""

    state_dir: str = "/var/lib/chainwatch"
    database_url: str = ""
    pools_dir: str = "pools.d"
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    ingest: IngestSection = IngestSection()
    web: WebSection = WebSection()
    retention: RetentionSection = RetentionSection()
    rescan: RescanSection = RescanSection()
    thresholds: dict[str, Any] = {}
    source: Path = Path()
    pools: list[PoolSettings] = []

    @field_validator("database_url")
    @classmethod
    def _database(cls, text: str) -> str:
        if text:
            try:
                parse_url(text)
            except DatabaseUrlError as error:
                raise ValueError(str(error)) from None
        return text

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, table: dict[str, Any]) -> dict[str, Any]:
        try:
            parse(table)
        except ThresholdError as error:
            raise ValueError(str(error).removeprefix("thresholds.")) from None
        return table

    def path(self, text: str) -> Path:
        """A path of the configuration file."""
        return self.source.parent / text

    @property
    def database(self) -> URL:
        """The database in use."""
        if self.database_url:
            return parse_url(self.database_url)
        return sqlite_url(self.path(self.state_dir) / "chainwatch.db")


def load(path: Path) -> Settings:
    """Read `path` and its pools. Raises `ConfigError`."""
    settings = _parse(path, Settings, {"source", "pools"})
    pools_dir = path.parent / settings.pools_dir
    files = sorted(pools_dir.glob("*.toml")) if pools_dir.is_dir() else []
    pools = [_parse(file, PoolSettings, {"source"}) for file in files]
    return settings.model_copy(update={"pools": pools})


def _parse(path: Path, model: type[Model], ours: set[str]) -> Model:
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
    return f"{where}: {text}" + (f" ({len(error.errors())} problems in all)" if error.error_count() > 1 else "")


def _known_keys(model: type[BaseModel], at: tuple[int | str, ...]) -> list[str]:
    for part in at:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return sorted(name for name in model.model_fields if name not in ("source", "pools"))


def _checked_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address: write host:port, e.g. 127.0.0.1:8442 or [::1]:8442")
    return text
