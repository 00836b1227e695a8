"""`[notify]` of collector.toml."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from chainwatch_collector.config_file import Section

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class ChannelSection(Section):
    """One receiver. `token_file` (mode 0600) holds a bearer token; `ca_file` the CA of its certificate; `pools`: names
    or uuids of those it is told of, empty: all."""

    name: Name
    url: str
    token_file: str = ""
    ca_file: str = ""
    pools: list[str] = Field(default_factory=list)
    min_severity: Literal["warning", "error"] = "warning"

    @field_validator("url")
    @classmethod
    def _address(cls, text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError(f"{text!r}: write http:// or https:// and a host; a secret belongs into token_file")
        return text.rstrip("/")


class NotifySection(Section):
    """Who is told. `wait_seconds`: how long an incident must be there, so that its root cause is known when it is told.
    `keep_hours`: how long a message is tried."""

    wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    keep_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 24.0
    webhook: list[ChannelSection] = Field(default_factory=list)
    alertmanager: list[ChannelSection] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [one.name for one in (*self.webhook, *self.alertmanager)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} names two receivers: name one otherwise")
        return self
