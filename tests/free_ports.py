"""Ports for servers that are started by number, and again on the same one. Runs on Python 3.6 as well."""

import random
import socket

_LOWEST = 15000
# Where Linux takes those from that clients call from: one of them may have it while the server is down.
_EPHEMERAL = 32768


def free_port() -> int:
    """A port that was free a moment ago, on loopback, and that no client is given."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(_LOWEST, _EPHEMERAL)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
