"""The certificates of a pool's hosts, as XenAPI knows them: what a member will show when it becomes the coordinator."""

from collections.abc import Mapping
from typing import Any, Final

import XenAPI

from chainwatch_collector.inventory.problems import failure_code
from chainwatch_collector.inventory.records import Ref
from chainwatch_collector.inventory.session import PoolSession
from chainwatch_collector.inventory.tls import parse_fingerprint

_UNKNOWN: Final = frozenset({"MESSAGE_METHOD_UNKNOWN", "MESSAGE_REMOVED"})


def member_fingerprints(session: PoolSession) -> dict[Ref, str]:
    """Host ref -> SHA-256 of the certificate that it shows to clients; empty where this xapi has no such class.

    Raises as calls do. `host_internal` certificates are for other hosts only, `ca` ones are nobody's.
    """
    try:
        records = list(session.records("Certificate"))
    except XenAPI.Failure as failure:
        if failure_code(failure) not in _UNKNOWN:
            raise
        return {}
    of_hosts = (record for _, record in records if record.get("type", "host") == "host")
    found = {str(record.get("host")): _fingerprint(record) for record in of_hosts}
    return {ref: fingerprint for ref, fingerprint in found.items() if fingerprint}


def _fingerprint(record: Mapping[str, Any]) -> str:
    """Newer xapis name the field by its hash; older ones had SHA-256 too. Empty for what is none."""
    try:
        return parse_fingerprint(str(record.get("fingerprint_sha256") or record.get("fingerprint", "")))
    except ValueError:
        return ""
