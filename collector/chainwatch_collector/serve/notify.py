"""systemd's notification socket, where there is one."""

import contextlib
import os
import socket


def notify(message: str) -> None:
    """Send e.g. `READY=1`; does nothing outside a unit of Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), address)
