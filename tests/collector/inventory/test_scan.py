"""The one call that is not read-only: only where it is meant, and with the user that may."""

from pathlib import Path

import pytest
from chainwatch_collector.inventory.methods import MethodNotAllowedError
from chainwatch_collector.inventory.once import PoolProblemError
from chainwatch_collector.inventory.pool_config import PoolSettings
from chainwatch_collector.inventory.scan import ScanSession, scan
from chainwatch_collector.inventory.tls import Trust
from collector.inventory.conftest import TIMEOUTS
from lab.xapi.handle import LabPool


def sr_of(lab: LabPool) -> tuple[str, str]:
    """(ref, uuid) of nfs-1."""
    return next((ref, one["uuid"]) for ref, one in lab.dump()["SR"].items() if one["name_label"] == "nfs-1")


def pool(directory: Path, lab: LabPool, *, own_user: bool = True) -> PoolSettings:
    for name, password in (("reader", lab.reader_password), ("scanner", lab.password)):
        (directory / name).write_text(password)
        (directory / name).chmod(0o600)
    return PoolSettings(
        name="prod",
        addresses=[f"{address}:{lab.port}" for address in lab.addresses.values()],
        username=lab.reader,
        password_file="reader",
        ca_file=str(lab.ca_file),
        source=directory / "prod.toml",
        rescan_username=lab.user if own_user else "",
        rescan_password_file="scanner" if own_user else "",
    )


def test_an_sr_is_scanned_by_the_user_for_it_and_no_session_stays(tmp_path: Path, lab: LabPool) -> None:
    ref, _ = sr_of(lab)
    scan(pool(tmp_path, lab), lab.uuid, ref, TIMEOUTS)
    assert lab.methods_called["SR.scan"] == 1
    assert lab.call(lambda server: len(server.sessions.open)) == 0


def test_a_user_that_may_only_read_is_told_so(tmp_path: Path, lab: LabPool) -> None:
    ref, _ = sr_of(lab)
    with pytest.raises(PoolProblemError) as caught:
        scan(pool(tmp_path, lab, own_user=False), lab.uuid, ref, TIMEOUTS)
    assert caught.value.problem.kind == "role"
    assert lab.reader in str(caught.value)


def test_another_pool_is_left_alone(tmp_path: Path, lab: LabPool) -> None:
    with pytest.raises(PoolProblemError, match="not of"):
        scan(pool(tmp_path, lab), "another", sr_of(lab)[0], TIMEOUTS)
    assert "SR.scan" not in lab.methods_called


def test_a_scanning_session_is_as_read_only_as_any_other(lab: LabPool) -> None:
    session = ScanSession(f"{lab.address}:{lab.port}", Trust(ca_file=lab.ca_file), TIMEOUTS)
    session.login(lab.user, lab.password)
    try:
        for method in ("SR.scan", "SR.destroy", "VDI.destroy"):
            with pytest.raises(MethodNotAllowedError, match="nothing was sent"):
                session.call(method, sr_of(lab)[0])
        session.scan_sr(sr_of(lab)[0])
        with pytest.raises(MethodNotAllowedError):
            session.xenapi.SR.scan(sr_of(lab)[0])
    finally:
        session.logout()
    assert lab.methods_called["SR.scan"] == 1
