"""What shows an incident healed besides its own log: another host's log after a failover, and the inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Sr, Vdi
from chainwatch_collector.read.facts import LineRef
from chainwatch_collector.track.incidents import Incident, IncidentKind
from chainwatch_collector.track.sr_log import SrLog

_PRINTED: Final = 8
_BY_FULL_RUN: Final[frozenset[IncidentKind]] = frozenset(
    ("crashed", "interrupted", "undone", "no_space", "multi_attach", "parent_missing", "host_blocked", "leaf_skipped")
)
_OF_PAIRS: Final[frozenset[IncidentKind]] = frozenset(("merge_failed", "gave_up", "no_space"))
_OF_VDIS: Final[frozenset[IncidentKind]] = frozenset(
    ("merge_failed", "gave_up", "corrupt", "chain_too_long", "frozen", "stale_flag", "leaf_skipped", "activation_waits")
)


def elsewhere(incident: Incident, logs: Sequence[SrLog]) -> bool:
    """Whether a later line of another host's log about the same SR shows it healed."""
    return any(_healed_in(incident, log) for log in logs)


def _healed_in(incident: Incident, log: SrLog) -> bool:
    if incident.kind in _BY_FULL_RUN and _after(log.full_run, incident.last):
        return True
    if incident.kind in ("scan_failed", "parent_missing") and _after(log.scan_ok, incident.last):
        return True
    if incident.kind == "corrupt":
        return _sound_in(incident, log)
    if incident.kind in _OF_PAIRS:
        gone = log.merged_at.get(incident.vdi[:8])
        if _after(gone, incident.last) or _after(log.merged_at.get(incident.parent[:8]), incident.last):
            return True
        if incident.kind in ("merge_failed", "gave_up") and _looked_later(incident, log):
            return (
                not log.trees.mergeable(incident.vdi, incident.parent)
                or log.incidents.get(incident.kind, incident.key) is None
            )
    return False


def _sound_in(incident: Incident, log: SrLog) -> bool:
    """The image passed its check there, was merged away or is in no tree any more; one that was only out of reach was
    not met by a run that went through."""
    image = incident.vdi[:8]
    if _after(log.passed_at.get(image), incident.last) or _after(log.merged_at.get(image), incident.last):
        return True
    if not _looked_later(incident, log):
        return False
    vanished = bool(log.trees.nodes) and image not in log.trees.nodes
    return vanished or (not incident.sure and log.incidents.get("corrupt", incident.key) is None)


def _looked_later(incident: Incident, log: SrLog) -> bool:
    """Whether a later run there scanned the SR and went to its end."""
    return _after(log.full_run, incident.last) and _after(log.trees.ref, incident.last)


class Images:
    """The VDIs of one SR as XenAPI has them, to be asked for by a full uuid or by the 8 characters that SM prints."""

    def __init__(self, vdis: Mapping[str, Vdi]) -> None:
        self._vdis = vdis
        self._printed: frozenset[str] | None = None

    def has(self, name: str) -> bool:
        """Whether one of them is called so."""
        if len(name) != _PRINTED:
            return name in self._vdis
        if self._printed is None:
            self._printed = frozenset(uuid[:_PRINTED] for uuid in self._vdis)
        return name in self._printed


def by_inventory(
    incident: Incident, record: Sr | None, forest: Forest | None, picture: Picture | None, images: Images
) -> bool:
    """Whether XenAPI, asked after the incident, no longer has what it is about. Never from a picture that is frozen."""
    if record is None or picture is None or not picture.reachable or picture.as_of is None:
        return False
    if incident.last.at is None or picture.as_of <= incident.last.at:
        return False
    if incident.kind == "lost":
        return len(incident.vdi) != _PRINTED and images.has(incident.vdi)
    if incident.kind not in _OF_VDIS or not incident.vdi or incident.vdi.startswith("OLD_"):
        return False
    if not images.has(incident.vdi):
        return True
    if incident.kind in ("merge_failed", "gave_up") and forest is not None and len(incident.parent) == 36:
        node = forest.nodes.get(incident.vdi)
        return node is not None and node.parent != incident.parent
    return False


def _after(ref: LineRef | None, than: LineRef) -> bool:
    return ref is not None and ref.at is not None and than.at is not None and ref.at > than.at
