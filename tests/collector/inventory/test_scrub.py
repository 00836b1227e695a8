"""A scrubbed dump says the same and keeps no secret."""

import json

from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.scrub import FIELDS, scrub, scrubbed
from lab.xapi.handle import LabPool


def test_the_picture_is_the_same(lab: LabPool) -> None:
    dump = lab.dump()
    clean = {kind: dict(scrubbed(kind, dump[kind])) for kind in FIELDS}
    assert picture_from_dump(clean) == picture_from_dump(dump)
    assert "guest-secret-value" in json.dumps(dump)
    assert "guest-secret-value" not in json.dumps(clean)


def test_only_known_fields_and_keys_stay() -> None:
    pbd = scrub("PBD", {"device_config": {"chappassword": "p", "provisioning": "thin"}, "uuid": "u", "new": "x"})
    assert pbd == {"device_config": {"provisioning": "thin"}, "uuid": "u"}
    vdi = scrub("VDI", {"sm_config": {"host_OpaqueRef:h": "RW", "key": "k"}, "xenstore_data": {"a": "b"}})
    assert vdi == {"sm_config": {"host_OpaqueRef:h": "RW"}}
    assert scrub("host", {"other_config": {"agent_start_time": "1"}}) == {"other_config": {}}
