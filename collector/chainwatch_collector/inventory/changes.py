"""When masters, hosts and attachments came to be as they are: between two pictures. Pure.

What was never seen to change has no time: a collector that just started does not know since when a host is enabled.
"""

from collections.abc import Mapping
from datetime import datetime

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Pbd, Pool, Ref


def master_since(before: Picture, pool: Pool | None, now: datetime) -> datetime | None:
    """Since when the pool has its master."""
    if before.pool is not None and pool is not None and before.pool.master_ref != pool.master_ref:
        return now
    return before.master_since


def host_enabled_since(before: Picture, hosts: Mapping[Ref, Host], now: datetime) -> Mapping[Ref, datetime]:
    """Since when each host is enabled."""
    if hosts is before.hosts:
        return before.host_enabled_since
    was = {ref: host.enabled for ref, host in before.hosts.items()}
    return _since(was, {ref: host.enabled for ref, host in hosts.items()}, before.host_enabled_since, now)


def pbd_attached_since(before: Picture, pbds: Mapping[Ref, Pbd], now: datetime) -> Mapping[Ref, datetime]:
    """Since when each PBD is attached."""
    if pbds is before.pbds:
        return before.pbd_attached_since
    was = {ref: pbd.currently_attached for ref, pbd in before.pbds.items()}
    return _since(was, {ref: pbd.currently_attached for ref, pbd in pbds.items()}, before.pbd_attached_since, now)


def _since(
    was: Mapping[Ref, bool], is_now: Mapping[Ref, bool], since: Mapping[Ref, datetime], now: datetime
) -> Mapping[Ref, datetime]:
    """An object that was not there before came to be just now, unless nothing was known before."""
    found = {}
    for ref, on in is_now.items():
        if not on:
            continue
        if was and not was.get(ref, False):
            found[ref] = now
        elif ref in since:
            found[ref] = since[ref]
    return found
