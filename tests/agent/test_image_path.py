"""SR and VDI from the text of a path."""

import pytest
from chainwatch_agent.image_path import NO_IDS, ImageIds, ids_of_path, is_image_path
from hypothesis import given, settings
from hypothesis import strategies as st

SR = "1f74d512-a410-be6f-c816-8a1e43ea1801"
VDI = "0920e6e7-319e-45a9-a15d-1c3dedf6db27"
BOTH = ImageIds(SR, VDI)
SR_DM, VDI_DM = SR.replace("-", "--"), VDI.replace("-", "--")


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/var/run/sr-mount/{}/{}.vhd".format(SR, VDI), BOTH),
        ("/run/sr-mount/{}/{}.qcow2".format(SR, VDI), BOTH),
        ("/run/sr-mount/{}/{}.raw".format(SR, VDI), BOTH),
        ("/run/sr-mount/{}/OLD_{}.vhd".format(SR, VDI), BOTH),
        ("/run/sr-mount/{}/{}.vhd (deleted)".format(SR, VDI), BOTH),
        ("/run/sr-mount/SMB/filer_share/{}/{}.vhd".format(SR, VDI), BOTH),
        ("/run/sr-mount/{}/{}.vhd".format(SR.upper(), VDI.upper()), BOTH),
        ("/run/sr-mount/{}/filelog.txt".format(SR), ImageIds(SR, "")),
        ("/run/sr-mount/{}".format(SR), ImageIds(SR, "")),
        ("/dev/VG_XenStorage-{}/VHD-{}".format(SR, VDI), BOTH),
        ("/dev/VG_XenStorage-{}/LV-{}".format(SR, VDI), BOTH),
        ("/dev/VG_XenStorage-{}/QCOW2-{}".format(SR, VDI), BOTH),
        ("/dev/VG_XenStorage-{}/coalesce_{}_1".format(SR, VDI), BOTH),
        ("/dev/VG_XenStorage-{}/MGT".format(SR), ImageIds(SR, "")),
        ("/dev/mapper/VG_XenStorage--{}-VHD--{}".format(SR_DM, VDI_DM), BOTH),
        ("VG_XenStorage--{}-QCOW2--{}".format(SR_DM, VDI_DM), BOTH),
        ("/dev/sm/phy/{}/{}".format(SR, VDI), BOTH),
        ("/dev/drbd/by-res/xcp-volume-{}/0".format(VDI), NO_IDS),
        ("/dev/drbd1001", NO_IDS),
        ("/run/sr-mount/{}0/{}.vhd".format(SR, VDI), NO_IDS),
        ("", NO_IDS),
    ],
)
def test_every_form_of_sm(path: str, ids: ImageIds) -> None:
    assert ids_of_path(path) == ids


@pytest.mark.parametrize(
    "text",
    [
        "/run/sr-mount/{}/../../etc/shadow".format(SR),
        "/run/sr-mount/{}/a b".format(SR),
        "/run/sr-mount/{}/<methodCall>".format(SR),
        "/home/ops/password",
        "run/sr-mount/x",
        "/run/sr-mount/" + "x" * 5000,
    ],
)
def test_what_is_never_sent_as_a_path(text: str) -> None:
    assert not is_image_path(text)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.from_regex(r"/(var/)?run/sr-mount/[0-9a-f-]{30,40}/?.*"), st.from_regex(r"/dev/VG_.*")))
def test_any_text_is_read_without_error(text: str) -> None:
    ids = ids_of_path(text)
    assert len(ids.sr_uuid) in (0, 36)
    assert len(ids.vdi_uuid) in (0, 36)
