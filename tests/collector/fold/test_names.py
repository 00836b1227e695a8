"""Prefixes become uuids only where the inventory has exactly one."""

from dataclasses import replace

from chainwatch_collector.fold.names import PictureNames
from collector.judge.scene import SR_REF, a_picture, an_sr, disk
from smlog import OTHER_SR, SR, A, B, C

TWIN = A[:8] + "-0000-4000-8000-0000000000ff"


def names(*uuids: str) -> PictureNames:
    made = PictureNames()
    made.see(a_picture([disk(uuid) for uuid in uuids]))
    return made


def test_a_prefix_of_one_vdi_is_that_vdi() -> None:
    known = names(A, B)
    assert known.vdi(SR, A[:8]) == A
    assert known.vdi(SR, C[:8]) == C[:8]
    assert known.vdi(SR, C) == C
    assert known.vdi(SR, f"OLD_{A[:8]}") == f"OLD_{A[:8]}"
    assert known.vdi(OTHER_SR, A[:8]) == A[:8]
    assert known.vdi(None, A[:8]) == A[:8]


def test_where_two_fit_neither_is_guessed() -> None:
    assert names(A, TWIN).vdi(SR, A[:8]) == A[:8]


def test_an_srs_four_digits() -> None:
    known = names(A)
    assert known.sr(SR[:4]) == SR
    assert known.sr("ffff") == "ffff"
    twin = replace(an_sr(), ref="OpaqueRef:twin", uuid=SR[:4] + OTHER_SR[4:])
    picture = a_picture([])
    known.see(replace(picture, srs={**picture.srs, twin.ref: twin}))
    assert known.sr(SR[:4]) == SR[:4]


def test_a_newer_picture_counts() -> None:
    known = names(A)
    assert known.vdi(SR, B[:8]) == B[:8]
    picture = a_picture([disk(B)])
    known.see(picture)
    assert known.vdi(SR, B[:8]) == B
    assert known.vdi(SR, A[:8]) == A[:8]
    assert SR_REF in picture.srs
