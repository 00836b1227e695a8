"""What the composition root decides for the surfaces."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShowSettings:
    """`external_url` is what operators type; it stands in links of alerts and in "copy as command" lines.

    `rescan_enabled`: rescan is off until configured. `max_streams` bounds the browsers that listen at once.
    """

    version: str = "0.1.0"
    external_url: str = ""
    rescan_enabled: bool = False
    max_streams: int = 200
    page_limit: int = 1000
    request_seconds: float = 30.0
