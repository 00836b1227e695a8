"""Rates of the hosts: what the data sources mean, and who is asked when."""

import dataclasses
import threading
from typing import Any

import pytest
from chainwatch_collector.inventory.rrd import MIB, RrdError, fetch_rates, parse_updates
from chainwatch_collector.inventory.tls import Trust
from collector.inventory.conftest import RHYTHM, Followed
from lab.xapi.handle import LabPool

HOST, VM = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"


def updates(*rows: list[str], **sources: str) -> dict[str, Any]:
    """An answer of xcp-rrdd; `sources`: the name of a host's data source → its value."""
    legend = [f"AVERAGE:host:{HOST}:{name}" for name in sources]
    values = [list(sources.values()), *rows]
    data = [{"t": 1_795_000_000 - 5 * age, "values": row} for age, row in enumerate(values)]
    return {"meta": {"legend": legend, "start": 0, "end": 1_795_000_000, "step": 5}, "data": data}


def test_values_are_texts_and_what_is_not_known_is_left_out() -> None:
    body = updates(["20.0", "NaN"], pif_eth0_tx="10.0", pif_eth0_rx="NaN")
    assert parse_updates(body).network == (0.0, 15.0)
    assert parse_updates(updates(pif_eth0_tx="NaN")).network is None


def test_bonds_and_vlans_do_not_count_twice() -> None:
    ports = {"pif_eth0_tx": "10", "pif_eth1_tx": "20", "pif_bond0_tx": "30", "pif_eth0.7_tx": "5"}
    assert parse_updates(updates(**ports)).network == (0.0, 30.0)
    assert parse_updates(updates(**ports, pif_aggr_tx="31")).network == (0.0, 31.0)


def test_each_data_source_goes_where_it_belongs() -> None:
    body = updates(io_throughput_read_12345678="2.0", io_throughput_write_12345678="0.5", iops_read_12345678="99")
    body["meta"]["legend"] += [f"AVERAGE:vm:{VM}:{name}" for name in ("vif_0_rx", "vif_1_rx", "vbd_xvda_write")]
    body["data"][0]["values"] += ["5", "6", "7"]
    rates = parse_updates(body)
    assert rates.srs == {"12345678": (2.0 * MIB, 0.5 * MIB)}
    assert rates.vifs == {VM: (11.0, 0.0)}
    assert rates.vbds == {VM: (0.0, 7.0)}


@pytest.mark.parametrize(
    "body", [None, {}, {"meta": {"legend": ["a"], "end": 1}, "data": [{"t": 1, "values": []}]}, {"meta": 1, "data": []}]
)
def test_another_shape_is_an_error_that_names_itself(body: Any) -> None:
    with pytest.raises(RrdError, match="another shape"):
        parse_updates(body)


def test_a_host_is_asked_with_the_pools_session(followed: Followed) -> None:
    lab, trust = followed.lab, Trust(ca_file=followed.lab.ca_file)
    session = lab.call(lambda pool: next(iter(pool.sessions.open)))
    with pytest.raises(RrdError, match="cannot be read"):
        fetch_rates(f"{lab.address}:{lab.port}", session, Trust(fingerprints=frozenset(("0" * 64,))))
    for name in ("xcp1", "xcp2"):
        rates = fetch_rates(f"{lab.addresses[name]}:{lab.port}", session, trust)
        assert rates.network is not None
        assert len(rates.srs) == 2
    with pytest.raises(RrdError, match="HTTP 401") as refused:
        fetch_rates(f"{lab.address}:{lab.port}", "OpaqueRef:secret", trust)
    assert "secret" not in str(refused.value)
    with pytest.raises(RrdError, match="cannot be read"):
        fetch_rates("127.0.0.1:1", session, trust)


def test_rates_come_while_a_transfer_runs_and_only_then(lab: LabPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.inventory.conftest.RHYTHM", RHYTHM._replace(rates=0.1))
    lab.do("fault", host="xcp1", rates={"pif_eth0_tx": 12345.0})
    followed = Followed(lab)
    followed.follower.start()
    followed.until_equal()
    assert followed.picture.rates == {}
    lab.do("begin_task", name="Exporting content of VDI disk-1 through NBD")
    picture = followed.until(lambda picture: len(picture.rates) == 3, "rates of all hosts")
    hosts = {host.name: host.uuid for host in picture.hosts.values()}
    assert picture.rates[hosts["xcp1"]].network == (pytest.approx(picture.rates[hosts["xcp1"]].network[0]), 12345.0)  # type: ignore[index]
    lab.do("power_off", host="xcp3")
    followed.until(lambda picture: len(picture.rates) >= 2, "the others still tell")
    assert followed.follower.stop(20)
    assert lab.writes_called == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rates")]
    assert dataclasses.replace(picture, rates={}) != picture
