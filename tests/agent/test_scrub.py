"""Secrets: masked, of the same length, line by line."""

import pytest
from chainwatch_agent.scrub import scrub
from hypothesis import given, settings
from hypothesis import strategies as st

SECRET = b"S3cr-t.Value"


@pytest.mark.parametrize(
    "line",
    [
        b"SM: [1] sr_scan {'sr_uuid': 'u', 'session_ref': 'S3cr-t.Value', 'command': 'sr_scan'}\n",
        b"SM: [1] sr_attach {'device_config': {'cifspassword': 'S3cr-t.Value', 'location': '//a/b'}}\n",
        b"SM: [1] {'chapuser': 'S3cr-t.Value', 'chappassword': 'S3cr-t.Value'}\n",
        b"SM: [1] {'incoming_chappassword': \"S3cr-t.Value\"}\n",
        b"SM: [1] {u'password': u'S3cr-t.Value'}\n",
        b'SM: [1] {"session_ref": "S3cr-t.Value"}\n',
        b"<member><name>session_ref</name><value><string>S3cr-t.Value</string></value></member>\n",
        b"<member><name>cifspassword</name><value>S3cr-t.Value</value></member>\n",
        b"<member><name>cifspassword</name> <value> <string>S3cr-t.Value\n",
        b"SM: [1] ['mount.cifs', '//a/b', '/run/x', '-o', 'username=u,password=S3cr-t.Value,rw']\n",
        b"SM: [1] ['iscsiadm', '-n', 'node.session.auth.password', '-v', 'S3cr-t.Value']\n",
        b"SM: [1] iscsiadm -m node -n node.session.auth.password_in -v S3cr-t.Value\n",
        b"env PASSWD=S3cr-t.Value mount\n",
        b"SM: [1] {'Password': 'S3cr-t.Value', 'ChapUser': 'S3cr-t.Value'}\n",
        b"SM: [1] {'session_ref': 'S3cr-t.Value",
    ],
)
def test_a_secret_is_gone_and_the_rest_as_it_was(line: bytes) -> None:
    masked, count = scrub(line)
    assert SECRET not in masked
    assert count == line.count(SECRET)
    assert masked == line.replace(SECRET, b"*" * len(SECRET))


@pytest.mark.parametrize(
    "line",
    [
        b"SM: [1] lock: released /var/lock/sm/chap/sr\n",
        b"SM: [1] sr_scan {'sr_uuid': 'b5c6', 'command': 'sr_scan', 'host_ref': 'OpaqueRef:1'}\n",
        b"SMGC: [1] Coalescing *6fe80091(8.000G/1001.973M?) -> *063cb677(8.000G/1.174G?)\n",
        b"SM: [1] the password was wrong\n",
    ],
)
def test_other_lines_are_left_alone(line: bytes) -> None:
    assert scrub(line) == (line, 0)


PIECES = st.sampled_from(
    [b"'session_ref': '", b"password=", b"'", b"\n", b"abc", b"\\", b"<name>secret</name><value>", b"\xff", b'"']
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_length_newlines_and_lines_on_their_own(data: bytes) -> None:
    masked, _ = scrub(data)
    assert len(masked) == len(data)
    assert [n for n, byte in enumerate(masked) if byte == 10] == [n for n, byte in enumerate(data) if byte == 10]
    assert masked == b"\n".join(scrub(line)[0] for line in data.split(b"\n"))
    assert scrub(masked)[0] == masked
