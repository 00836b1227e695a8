"""`diagnose` with an inventory: names, chains and verdicts beside what the log proves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chainwatch_collector.diagnose import answer, offline
from chainwatch_collector.diagnose.errors import DiagnoseError
from smlog import SR, A, B, C, Smlog

SR_REF, MASTER_REF = "OpaqueRef:sr", "OpaqueRef:host1"


def vdi(uuid: str, parent: str | None, *, hidden: bool = False) -> dict[str, Any]:
    sm_config = {"vdi_type": "vhd", **({"vhd-parent": parent} if parent else {})}
    return {
        "uuid": uuid,
        "name_label": "base copy" if hidden else "database disk",
        "SR": SR_REF,
        "type": "user",
        "managed": not hidden,
        "virtual_size": "10737418240",
        "physical_utilisation": 1073741824,
        "sm_config": sm_config,
    }


def dump() -> dict[str, Any]:
    """As XenAPI returns the records: integers as numbers or strings, classes and fields missing."""
    chain = (vdi(A, None, hidden=True), vdi(B, A, hidden=True), vdi(C, B))
    return {
        "pool": {"OpaqueRef:pool": {"uuid": "pool-uuid", "name_label": "prod", "master": MASTER_REF}},
        "host": {MASTER_REF: {"uuid": "host-uuid", "name_label": "xcp1", "hostname": "xcp1", "enabled": True}},
        "SR": {
            SR_REF: {
                "uuid": SR,
                "name_label": "fast storage",
                "type": "nfs",
                "shared": True,
                "physical_size": "1099511627776",
                "physical_utilisation": "549755813888",
            }
        },
        "VDI": {f"OpaqueRef:{record['uuid']}": record for record in chain},
        "VM": {"OpaqueRef:vm": {"uuid": "vm-uuid", "name_label": "database", "power_state": "Running"}},
        "VBD": {
            "OpaqueRef:vbd": {
                "uuid": "vbd-uuid",
                "VM": "OpaqueRef:vm",
                "VDI": f"OpaqueRef:{C}",
                "type": "Disk",
                "currently_attached": True,
            }
        },
    }


def crashed_log(tmp_path: Path) -> str:
    log = Smlog().start(100).chain(100).finish(100, clean=False)
    path = tmp_path / "SMlog"
    path.write_bytes(b"\n".join(log.lines) + b"\n")
    return str(path)


def body(tmp_path: Path, inventory: object | None = None) -> dict[str, Any]:
    path = None
    if inventory is not None:
        path = tmp_path / "pool.json"
        path.write_text(inventory if isinstance(inventory, str) else json.dumps(inventory))
    options = offline.Options(now=datetime(2026, 11, 22, 8, 5, tzinfo=UTC))
    reading = offline.read_paths([crashed_log(tmp_path)], options)
    return answer.body(reading, str(path) if path else None)


def test_without_an_inventory_the_log_tells_what_it_can(tmp_path: Path) -> None:
    found = body(tmp_path)
    assert found["verdicts"] == []
    (sr,) = found["srs"]
    assert (sr["uuid"], sr["state"], sr["depth_max"], sr["free_ratio"]) == (SR, "crashed", 3, None)
    assert [finding["code"] for finding in found["findings"]] == ["GC_CRASHED"]
    json.dumps(found)


def test_with_one_it_has_names_space_and_verdicts(tmp_path: Path) -> None:
    found = body(tmp_path, dump())
    (sr,) = found["srs"]
    assert (sr["name"], sr["free_ratio"], sr["inner_pending"]) == ("fast storage", 0.5, 1)
    assert "fast storage" in found["findings"][0]["summary"]
    (verdict,) = found["verdicts"]
    assert (verdict["name"], verdict["backup"], verdict["reasons"]) == ("database", "at_risk", ["GC_CRASHED"])
    assert verdict["disks"][0]["depth"] == 3
    assert {finding["code"] for finding in found["findings"]} == {"GC_CRASHED"}


def test_a_pool_without_agents_misses_none_offline(tmp_path: Path) -> None:
    codes = {finding["code"] for finding in body(tmp_path, dump())["findings"]}
    assert not codes & {"AGENT_MISSING", "AGENT_SILENT", "GC_NOT_RUNNING"}


@pytest.mark.parametrize(
    ("inventory", "said"), [("{", "pool.json"), ("[]", "not an object"), ({"nothing": {}}, "no class in it is known")]
)
def test_bad_inventory_says_what_where_and_the_fix(tmp_path: Path, inventory: object, said: str) -> None:
    with pytest.raises(DiagnoseError, match=said) as refused:
        body(tmp_path, inventory)
    assert "chainwatch pool dump" in refused.value.hint


def test_inventory_that_is_not_there(tmp_path: Path) -> None:
    reading = offline.read_paths([crashed_log(tmp_path)], offline.Options())
    with pytest.raises(DiagnoseError, match="No such file"):
        answer.body(reading, str(tmp_path / "nowhere.json"))
