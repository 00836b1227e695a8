from __future__ import annotations

from datetime import timedelta

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.vdi_facts import cbt_switched_off, flags, held_by_control_domains
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Message
from collector.chains.estate import MASTER, MEMBER, NOW, pool, vbd, vm
from collector.chains.trees import SR_REF, vdi


def seen(picture: Picture) -> list[tuple[str, str, str | None]]:
    found = flags(PoolIndex(picture), picture.vdis(SR_REF).values())
    return [(flag.kind, flag.vdi.uuid, flag.host_ref) for flag in found]


def test_flags_as_they_stand() -> None:
    disks = [vdi("r", relinking=True), vdi("a", activating=True), vdi("p", paused=True), vdi("none")]
    service = vdi("statefile", type="ha_statefile", paused=True)
    raw = vdi("raw", raw=True, paused=True)
    assert seen(pool([*disks, service, raw])) == [
        ("relinking", "r", None),
        ("activating", "a", None),
        ("paused", "p", None),
    ]


def test_host_keys_of_gone_hosts_and_detached_disks() -> None:
    one = vm()
    used, left = vdi("used", attached_hosts={MEMBER: "RW"}), vdi("left", attached_hosts={MASTER: "RO"})
    gone = vdi("gone", attached_hosts={"OpaqueRef:away": "RW", MEMBER: "RW"})
    moving = vdi("moving", attached_hosts={MASTER: "RO"}, current_operations=("mirror",))
    vbds = [vbd(one, used), vbd(one, gone), vbd(one, left, currently_attached=False)]
    assert seen(pool([used, left, gone, moving], [one], vbds)) == [
        ("host_detached", "left", MASTER),
        ("host_gone", "gone", "OpaqueRef:away"),
    ]


def test_disks_that_dom0_holds() -> None:
    dom0, guest = vm("dom0", is_control_domain=True), vm()
    held, free, own = vdi("held"), vdi("free"), vdi("own")
    vbds = [vbd(dom0, held), vbd(dom0, free, currently_attached=False), vbd(guest, own), vbd(dom0, None)]
    found = held_by_control_domains(PoolIndex(pool([held, free, own], [dom0, guest], vbds)))
    assert [(one.vdi.uuid, one.domain.uuid) for one in found] == [("held", "dom0")]


def test_tracking_that_an_error_switched_off() -> None:
    def message(name: str, vdi_uuid: str, hours: int) -> Message:
        at = NOW - timedelta(hours=hours)
        return Message(uuid=f"{name}{hours}", name=name, priority=3, subject_class="VDI", subject_uuid=vdi_uuid, at=at)

    disks = [vdi("off", cbt_enabled=False), vdi("back", cbt_enabled=True), vdi("never", cbt_enabled=False)]
    failed = "VDI_CBT_SNAPSHOT_FAILED"
    messages = [
        message(failed, "off", 3),
        message(failed, "off", 1),
        message(failed, "back", 1),
        message("X", "off", 0),
    ]
    found = cbt_switched_off(PoolIndex(pool(disks, messages=messages)))
    assert [(one.vdi.uuid, one.message.at) for one in found] == [("off", NOW - timedelta(hours=1))]
    assert cbt_switched_off(PoolIndex(pool(disks))) == ()
