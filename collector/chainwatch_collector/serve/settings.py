"""`collector.toml` and `pools.d/*.toml`, parsed once at the edge. What is wrong is one line: file, key, the fix."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from sqlalchemy import URL

from chainwatch_collector.backups.settings import JobSection, XenOrchestraSection
from chainwatch_collector.config_file import ConfigError, parse_file
from chainwatch_collector.config_file import Section as _Section
from chainwatch_collector.inventory.pool_config import PoolSettings, load_pools
from chainwatch_collector.judge.thresholds import ThresholdError, parse
from chainwatch_collector.keep.engine import DatabaseUrlError, parse_url, sqlite_url
from chainwatch_collector.notify.settings import NotifySection
from chainwatch_collector.receive.limits import IngestLimits
from chainwatch_collector.serve.admission import AdmissionLimits

__all__ = ["DEFAULT_CONFIG", "ConfigError", "PoolSettings", "Settings", "load"]

DEFAULT_CONFIG = Path("/etc/chainwatch/collector.toml")
Days = Annotated[int, Field(ge=1, le=3650)]


class TlsSection(_Section):
    """PEM files; a relative path starts at the configuration file's directory. Empty: made by the collector's CA."""

    certificate: str = ""
    key: str = ""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together: set both, or none for the collector's own")
        return self


class IngestSection(TlsSection):
    """Where agents connect. `client_ca` signs their certificates; empty: the CA of [trust]."""

    listen: str = "127.0.0.1:8442"
    client_ca: str = ""
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
    connections_per_second: Annotated[float, Field(ge=1, le=10_000)] = 30.0
    requests_per_second: Annotated[float, Field(ge=1, le=10_000)] = 50.0
    address_connections_per_second: Annotated[float, Field(ge=1, le=10_000)] = 25.0

    @field_validator("listen")
    @classmethod
    def _address(cls, text: str) -> str:
        return _checked_address(text)

    def admission(self) -> AdmissionLimits:
        """For the web port with TLS."""
        return AdmissionLimits(self.connections_per_second, self.address_connections_per_second)


class TrustSection(_Section):
    """The CA: the collector's own below state_dir, unless `ca` and `ca_key` name one. `names`: what the collector is
    called by agents and browsers, beside what it finds out itself."""

    ca: str = ""
    ca_key: str = ""
    names: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]] = Field(default_factory=list)
    host_days: Annotated[int, Field(ge=1, le=397)] = 90

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.ca) != bool(self.ca_key):
            raise ValueError("ca and ca_key go together: set both, or none for the collector's own CA")
        return self


class RetentionSection(_Section):
    """How long what is kept. Above `max_bytes` of the whole database the oldest evidence goes earlier; 0 is no cap."""

    evidence_days: Days = 30
    history_days: Days = 400
    samples_days: Days = 7
    max_bytes: Annotated[int, Field(ge=0)] = 50 * 1024**3


class RescanSection(_Section):
    """The one action. Off until somebody turns it on."""

    enabled: bool = False


class Settings(_Section):
    """All of collector.toml. `source` is the file; `pools` come from `pools_dir`."""

    state_dir: str = "/var/lib/chainwatch"
    database_url: str = ""
    pools_dir: str = "pools.d"
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    ingest: IngestSection = IngestSection()
    web: WebSection = WebSection()
    trust: TrustSection = TrustSection()
    retention: RetentionSection = RetentionSection()
    rescan: RescanSection = RescanSection()
    notify: NotifySection = NotifySection()
    job: list[JobSection] = Field(default_factory=list)
    xen_orchestra: XenOrchestraSection | None = None
    thresholds: dict[str, Any] = Field(default_factory=dict)
    source: Path = Path()
    pools: list[PoolSettings] = Field(default_factory=list)

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
    settings = parse_file(path, Settings, {"source", "pools"})
    return settings.model_copy(update={"pools": load_pools(path.parent / settings.pools_dir)})


def _checked_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address: write host:port, e.g. 127.0.0.1:8442 or [::1]:8442")
    return text
