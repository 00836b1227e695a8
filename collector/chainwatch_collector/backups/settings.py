"""`[[job]]` and `[xen_orchestra]` of collector.toml."""

from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, field_validator, model_validator

from chainwatch_collector.backups import pattern as patterns
from chainwatch_collector.backups.jobs import Job, Remote
from chainwatch_collector.backups.schedule import ScheduleError, parse
from chainwatch_collector.config_file import Section

Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class JobSection(Section):
    """A backup job as it is declared. `pattern`: Xen Orchestra's, which must match a VM's type, power_state, tags,
    $pool …; `id`: Xen Orchestra's id of the job, which its snapshots carry; `target_path`: the mounted remote.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    id: str = ""
    pattern: dict[str, Any]
    mode: Literal["full", "delta", "replication"] = "delta"
    schedule: str = ""
    timezone: str = "UTC"
    target_sr: Uuid | Literal[""] = ""
    target_path: str = ""

    @field_validator("pattern")
    @classmethod
    def _pattern(cls, pattern: dict[str, Any]) -> dict[str, Any]:
        patterns.check(pattern)  # PatternError is a ValueError
        return pattern

    @field_validator("target_path")
    @classmethod
    def _path(cls, path: str) -> str:
        if path and not path.startswith("/"):
            raise ValueError(f"{path!r} is no absolute path; write where the remote is mounted, e.g. /mnt/backups")
        return path

    @model_validator(mode="after")
    def _whole(self) -> "JobSection":
        if self.mode == "replication" and not self.target_sr:
            raise ValueError("a replication needs target_sr, the uuid of the SR that holds the replicas")
        self.job()
        return self

    def job(self) -> Job:
        """As everybody else has it. Raises `ScheduleError`."""
        schedules = (parse(self.schedule, self.timezone),) if self.schedule else ()
        remotes = (remote_of(self.target_path),) if self.target_path else ()
        return Job(
            name=self.name,
            id=self.id,
            pattern=self.pattern,
            whole=self.mode == "full",
            schedules=schedules,
            target_srs=(self.target_sr,) if self.target_sr else (),
            remotes=remotes,
        )


def remote_of(path: str, uuid: str = "", name: str = "") -> Remote:
    """A remote that is mounted here."""
    return Remote(uuid=uuid or str(uuid5(NAMESPACE_URL, f"chainwatch:remote:{path}")), name=name or path, path=path)


class XenOrchestraSection(Section):
    """Where Xen Orchestra's REST API is. `token_file`: an authentication token, mode 0600. `ca_file`: who signed its
    certificate, the system's CAs without; `mounts`: name or id of a remote there → where it is mounted here.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+/?$")]
    token_file: str
    ca_file: str = ""
    insecure: bool = False
    poll_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300
    mounts: dict[str, str] = Field(default_factory=dict)

    def token(self, base: Path) -> str:
        """Read at each use, so that a new one needs no restart. Raises OSError, `ValueError`."""
        text = (base / self.token_file).read_text(encoding="ascii").strip()
        if not text or any(character.isspace() or character in ';,"' for character in text):
            raise ValueError(f"{self.token_file}: is no token; write the one that Xen Orchestra shows, alone")
        return text


__all__ = ["JobSection", "ScheduleError", "XenOrchestraSection", "remote_of"]
