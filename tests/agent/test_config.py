"""agent.conf: what is right is read, what is wrong is one line that says where and what would be right."""

from pathlib import Path

import pytest
from chainwatch_agent.config import ConfigError, load, parse
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = b"[collector]\naddresses=a.example:8442, [::1]:443\n"


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse("agent.conf", text.encode("utf-8"))
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("agent.conf: ")
    return message


def test_the_least_that_is_needed() -> None:
    found = parse("agent.conf", GOOD)
    assert found.addresses == ("a.example:8442", "[::1]:443")
    assert found.key == "/var/lib/chainwatch-agent/tls/key.pem"
    assert found.logs[0] == "/var/log/SMlog"
    assert (found.window_bytes, found.history_seconds, found.evidence) == (4 << 20, 86400.0, True)


def test_paths_follow_the_state_directory() -> None:
    found = parse("agent.conf", GOOD + b"[host]\nstate_dir=/srv/cw\nroot=/lab/dom0-1/\n")
    assert (found.ca, found.root) == ("/srv/cw/tls/ca.pem", "/lab/dom0-1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "[collector] addresses: missing"),
        ("[collector]\naddresses=host\n", "[collector] addresses = host: host:port is right"),
        ("[collector]\naddresses=host:99999\n", "host:port is right"),
        ("[colector]\naddresses=h:1\n", "[colector] is no section; there are collector, evidence"),
        ("[collector]\naddreses=h:1\n", "[collector] addreses: no such key; there are addresses, ca"),
        ("[collector]\naddresses=h:1\n[limits]\nwindow_bytes=big\n", "window_bytes = big: a number of bytes from"),
        ("[collector]\naddresses=h:1\n[evidence]\nallow=maybe\n", "allow = maybe: yes or no is right"),
        ("[collector]\naddresses=h:1\n[log]\nfiles=/run/sr-mount/x\n", "below /var/log/ are right"),
        ("[collector]\naddresses=h:1\n[log]\nfiles=/var/log/../../run/sr-mount/x\n", "below /var/log/ are right"),
        ("[collector]\naddresses=h:1\n[collector]\n", "collector"),
        ("addresses=h:1\n", "line"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    assert named in wrong(text)


def test_a_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(str(tmp_path / "agent.conf"))
    with pytest.raises(ConfigError, match="byte 11 is not UTF-8"):
        parse("agent.conf", b"[collector]\xff")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_settings_or_one_line(raw: bytes, after_good: bool) -> None:
    try:
        parse("agent.conf", (GOOD if after_good else b"") + raw)
        said = ""
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said
