"""argv → kind, SR, VDI; and nothing of it that could be a secret."""

from typing import List

import pytest
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.image_command import ImageCommand, name_of_gc, recognise
from hypothesis import given, settings
from hypothesis import strategies as st

SR = "1f74d512-a410-be6f-c816-8a1e43ea1801"
VDI = "0920e6e7-319e-45a9-a15d-1c3dedf6db27"
FILE = "/var/run/sr-mount/{}/{}.vhd".format(SR, VDI)
QCOW2 = "/run/sr-mount/{}/{}.qcow2".format(SR, VDI)
LV = "/dev/VG_XenStorage-{}/VHD-{}".format(SR, VDI)
DRBD = "/dev/drbd/by-res/xcp-volume-{}/0".format(VDI)
OTHER = "/run/sr-mount/{}/{}.qcow2".format(SR, VDI[::-1])
GC = evidence_pb2.PROCESS_KIND_GC
UNKNOWN = evidence_pb2.PROCESS_KIND_UNSPECIFIED

# argv, kind, command, image path, SR, VDI: every form of smlog section 4.1 and 4.2
FORMS = [
    ("/usr/bin/vhd-util coalesce --debug -n " + FILE, "VHD_COALESCE", "vhd-util coalesce", FILE, SR, VDI),
    ("vhd-util coalesce --debug -n " + LV, "VHD_COALESCE", "vhd-util coalesce", LV, SR, VDI),
    ("/usr/bin/vhd-util coalesce -n " + DRBD, "VHD_COALESCE", "vhd-util coalesce", DRBD, "", ""),
    ("/usr/bin/vhd-util check --debug -n {} -i -B".format(LV), "VHD_CHECK", "vhd-util check", LV, SR, VDI),
    ("/usr/bin/vhd-util repair -n " + FILE, "VHD_REPAIR", "vhd-util repair", FILE, SR, VDI),
    ("vhd-util query --debug -vsaf -p -n " + FILE, "VHD_OTHER", "vhd-util query", FILE, SR, VDI),
    ("vhd-util snapshot -n {} -p {}".format(QCOW2, FILE), "VHD_OTHER", "vhd-util snapshot", QCOW2, SR, VDI),
    ("vhd-util scan -f -m VHD-* -l VG_XenStorage-{} -a".format(SR), "VHD_OTHER", "vhd-util scan", "", SR, ""),
    ("vhd-util scan -f -m /var/run/sr-mount/{}/*.vhd".format(SR), "VHD_OTHER", "vhd-util scan", "", SR, ""),
    ("vhd-util", "VHD_OTHER", "vhd-util", "", "", ""),
    ("/usr/bin/qemu-img commit -f qcow2 {} -d".format(QCOW2), "QEMU_COMMIT", "qemu-img commit", QCOW2, SR, VDI),
    ("qemu-img check -f qcow2 -r all " + QCOW2, "QEMU_CHECK", "qemu-img check", QCOW2, SR, VDI),
    (
        "qemu-img rebase -u -f qcow2 -F qcow2 -b {} {}".format(OTHER, QCOW2),
        "QEMU_REBASE",
        "qemu-img rebase",
        QCOW2,
        SR,
        VDI,
    ),
    ("qemu-img info --output json " + QCOW2, "QEMU_OTHER", "qemu-img info", QCOW2, SR, VDI),
    ("/usr/sbin/tap-ctl commit -p 7 -m 3 -a " + QCOW2, "TAP_CTL_COMMIT", "tap-ctl commit", QCOW2, SR, VDI),
    ("tap-ctl commit -p 7 -m 3 -a qcow2:" + QCOW2, "TAP_CTL_COMMIT", "tap-ctl commit", QCOW2, SR, VDI),
    ("/usr/bin/python3 /opt/xensource/sm/cleanup.py -g -u " + SR, "GC", "cleanup.py -g", "", SR, ""),
    ("/usr/bin/python /opt/xensource/sm/cleanup.py -b -g -u " + SR, "GC", "cleanup.py -b -g", "", SR, ""),
    ("/usr/bin/python3 /usr/libexec/sm/cleanup -g -u " + SR, "GC", "cleanup -g", "", SR, ""),
    ("/opt/xensource/sm/cleanup.py --gc_force --uuid={}".format(SR), "GC", "cleanup.py -G", "", SR, ""),
    ("/opt/xensource/sm/cleanup.py -a -u " + SR, "UNSPECIFIED", "cleanup.py -a", "", SR, ""),
    ("/bin/sh /usr/bin/vhd-util coalesce -n " + FILE, "VHD_COALESCE", "vhd-util coalesce", FILE, SR, VDI),
]


@pytest.mark.parametrize(("argv", "kind", "command", "path", "sr", "vdi"), FORMS)
def test_every_form_of_sm(argv: str, kind: str, command: str, path: str, sr: str, vdi: str) -> None:
    assert recognise(argv.split(" ")) == ImageCommand(
        evidence_pb2.ProcessKind.Value("PROCESS_KIND_" + kind), command, path, sr, vdi
    )


@pytest.mark.parametrize(
    "argv",
    [
        "",
        "/usr/sbin/tap-ctl list",
        "/usr/sbin/tap-ctl",
        "/usr/sbin/cbt-util coalesce -p /a -c /b",
        "tapdisk",
        "/usr/bin/python3",
        "/usr/bin/python3 -m observer /opt/xensource/sm/LVMSR <methodCall>",
        "grep vhd-util coalesce",
        "/usr/bin/python3 /home/ops/report_cleanup.py -g",
        "/usr/bin/python3 /srv/backup/cleanup.py -g",
        "less /opt/xensource/sm/cleanup.py",
    ],
)
def test_everything_else_is_passed_over(argv: str) -> None:
    assert recognise(argv.split(" ")) is None


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/usr/bin/python", "/opt/xensource/sm/LVMoISCSISR", "<methodCall>\nx"], "LVMoISCSISR"),
        (["/usr/bin/python3", "-m", "observer", "/opt/xensource/sm/NFSSR", "<methodCall>"], "NFSSR"),
        (["/usr/bin/python3", "/etc/xapi.d/plugins/coalesce-leaf", "<methodCall>"], "coalesce-leaf"),
        (["/usr/bin/python3", "/opt/xensource/sm/cleanup.py", "-g", "-u", SR], "cleanup.py -g"),
        (["/usr/bin/something", "else"], "gc"),
        ([], "gc"),
    ],
)
def test_what_a_lock_holder_is_called(argv: List[str], name: str) -> None:
    assert name_of_gc(argv) == name


SECRET = "OpaqueRef:5ecre7-hunter2"
WORDS = st.sampled_from(
    ["vhd-util", "/usr/bin/vhd-util", "qemu-img", "tap-ctl", "coalesce", "commit", "scan", "-n", "-a", "-m", "-l", "-u"]
    + ["/usr/bin/python3", "/opt/xensource/sm/cleanup.py", "--uuid=" + SECRET, "-g", "-b", SR, FILE, LV]
    + [SECRET, "/" + SECRET, FILE + " " + SECRET, "VG_XenStorage-" + SECRET, "--password=" + SECRET, "-" + SECRET]
    + ["/opt/xensource/sm/LVMSR", "/opt/xensource/sm/" + SECRET, "/usr/libexec/sm/cleanup" + SECRET, "<" + SECRET]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(WORDS, st.text(max_size=20)), max_size=10))
def test_no_argv_raises_or_leaks(argv: List[str]) -> None:
    told = repr(recognise(argv)) + name_of_gc(argv)
    assert "hunter2" not in told
    assert "5ecre7" not in told


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(), max_size=8))
def test_what_is_told_can_be_sent(words: List[str]) -> None:
    for argv in (
        ["vhd-util"] + words,
        ["qemu-img"] + words,
        ["/x/sm/cleanup.py"] + words,
        ["tap-ctl", "commit"] + words,
    ):
        command = recognise(argv)
        assert command is not None
        sample = evidence_pb2.ProcessSample(kind=command.kind, command=command.command, image_path=command.image_path)
        assert len(sample.SerializeToString()) < 2048
