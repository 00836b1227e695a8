"""systemd's notification protocol (sd_notify), without a library: what systemd 219 and later understand."""

import os
import socket
from typing import Optional


def notify(text: str) -> bool:
    """Send e.g. `READY=1` or `WATCHDOG=1` to systemd. True where it was sent, False outside a unit of Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # a socket without a file: its name begins with NUL
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # a systemd that does not read must not stop the agent
            channel.sendto(text.encode("utf-8", "replace"), address)
    except OSError:
        return False
    return True


def watchdog_seconds() -> "Optional[float]":
    """How long systemd waits for `WATCHDOG=1` before it kills this process (`WatchdogSec=`); None where it does not."""
    pid = os.environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):  # meant for the process that started us
        return None
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
