"""SR mounts in the text of mountinfo."""

import os

from chainwatch_agent.mounts import parse_mountinfo, read_mounts
from hypothesis import given, settings
from hypothesis import strategies as st

SR = "1f74d512-a410-be6f-c816-8a1e43ea1801"
OTHER = "9f74d512-a410-be6f-c816-8a1e43ea1809"
TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext3 /dev/sda1 rw,data=ordered
90 22 0:44 / /run/sr-mount/{sr} ro,relatime shared:9 - nfs filer:/exports/my\\040share/{sr} rw,vers=3,addr=10.0.0.9
91 22 0:45 / /run/sr-mount/{other} rw,relatime shared:9 master:2 - ext4 /dev/mapper/XSLocalEXT--x ro
92 22 0:46 / /run/sr-mount/SMB/filer_share rw - cifs //bob:hunter2@filer/share rw,username=bob
93 22 0:47 / /mnt/other rw - nfs filer:/other rw
""".format(sr=SR, other=OTHER)


def test_which_mounts_and_what_of_them() -> None:
    nfs, ext, smb = parse_mountinfo(TABLE)
    assert (nfs.sr_uuid, nfs.mount_point, nfs.fs_type) == (SR, "/run/sr-mount/" + SR, "nfs")
    assert nfs.source == "filer:/exports/my share/" + SR
    assert not nfs.read_only
    assert (ext.sr_uuid, ext.fs_type, ext.read_only) == (OTHER, "ext4", True)
    assert (smb.sr_uuid, smb.source) == ("", "//filer/share")
    assert b"bob" not in smb.SerializeToString()


def test_where_the_table_is(tmp_path: "os.PathLike[str]") -> None:
    assert read_mounts(str(tmp_path)) == []
    directory = os.path.join(str(tmp_path), "proc/1")
    os.makedirs(directory)
    with open(os.path.join(directory, "mountinfo"), "w", encoding="ascii") as table:
        table.write(TABLE)
    assert len(read_mounts(str(tmp_path))) == 3
    assert isinstance(read_mounts("/"), list)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_read_without_error(text: str) -> None:
    list(parse_mountinfo(text))
    list(parse_mountinfo("90 22 0:44 / /run/sr-mount/{} {}".format(SR, text)))
    list(parse_mountinfo("90 22 0:44 / /run/sr-mount/{} rw - {}".format(text, text)))
