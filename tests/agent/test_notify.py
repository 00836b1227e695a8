"""systemd's socket, a real one, with and without a file."""

import os
import socket

import pytest
from chainwatch_agent.notify import notify, watchdog_seconds


@pytest.mark.parametrize("abstract", [True, False])
def test_what_systemd_receives(abstract: bool, tmp_path: "os.PathLike[str]", monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.path.join(str(tmp_path), "notify")
    name = "@chainwatch-test-{}".format(os.getpid()) if abstract else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else path)
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1\nSTATUS=2 logs, connected")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=2 logs, connected"


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/at/all", "@nobody-listens-here"])
def test_no_systemd_is_no_error(address: "str | None", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


def test_a_systemd_that_does_not_read_stops_nothing(
    tmp_path: "os.PathLike[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.path.join(str(tmp_path), "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        sent = [notify("STATUS=" + "x" * 1000) for _ in range(2000)]
    assert sent[0]
    assert not sent[-1]


def test_the_watchdog_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_seconds() is None
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    assert watchdog_seconds() == 60.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_seconds() == 60.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_seconds() is None
    monkeypatch.delenv("WATCHDOG_PID")
    for wrong in ("", "soon", "0", "-1"):
        monkeypatch.setenv("WATCHDOG_USEC", wrong)
        assert watchdog_seconds() is None
