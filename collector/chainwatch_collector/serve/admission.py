"""How fast strangers get in at the web port. Pure: the clock is an argument.

A TLS handshake takes a millisecond or two of the event loop that acknowledges evidence too, so they begin at a pace
that leaves the loop to the agents. Who comes faster than everybody together may waits in the kernel's backlog;
an address that comes faster than one alone may is closed at once, so that it fills neither backlog nor pace.
"""

import logging
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final

from chainwatch_collector.rate import RateLimit

LOG = logging.getLogger(__name__)
# A browser opens six at once, behind one NAT sit several, and scripts open one for each call.
ADDRESS_BURST: Final = 200
# At most so many handshakes stand between two commits' acknowledgements.
BURST: Final = 8
_TELL_AGAIN_SECONDS: Final = 60.0
_EVERYBODY: Final = ""


@dataclass(frozen=True)
class AdmissionLimits:
    """New connections per second: of everybody together, and of one address (one /64 of IPv6)."""

    connections_per_second: float = 30.0
    address_connections_per_second: float = 25.0


@dataclass
class Admission:
    """`refused` connections were closed unread because of their address."""

    limits: AdmissionLimits
    refused: int = 0
    _addresses: RateLimit = field(init=False)
    _everybody: RateLimit = field(init=False)
    _told_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._addresses = RateLimit(60.0 * self.limits.address_connections_per_second, ADDRESS_BURST)
        self._everybody = RateLimit(60.0 * self.limits.connections_per_second, BURST)

    def admits(self, address: str, now_seconds: float) -> bool:
        """Whether this address may have one more connection now; where not, a line a minute names it."""
        network = network_of(address)
        if not self._addresses.wait_seconds(network, now_seconds):
            return True
        self.refused += 1
        self._tell(network, now_seconds)
        return False

    def wait_seconds(self, now_seconds: float) -> float:
        """How long the next handshake must wait; 0 where it may begin, and that is counted."""
        return self._everybody.wait_seconds(_EVERYBODY, now_seconds)

    def _tell(self, network: str, now_seconds: float) -> None:
        if now_seconds < self._told_at.get(network, now_seconds):
            return
        self._told_at = {name: at for name, at in self._told_at.items() if at > now_seconds}
        self._told_at[network] = now_seconds + _TELL_AGAIN_SECONDS
        LOG.warning(
            "web: %s opens more than %g connections a second: what is above that is closed (%d since the start)",
            *(network, self.limits.address_connections_per_second, self.refused),
        )


def network_of(address: str) -> str:
    """An address, or the /64 around one of IPv6, which one machine has to itself."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return f"{IPv6Address(int(known) >> 64 << 64)}/64"
    return address
