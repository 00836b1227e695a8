"""SRs, their merges and the tasks of a pool as views."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.chains.forest import Forest
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Sr
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.pools import pool_name
from chainwatch_collector.show.views import AgentState, Attachment, MergeView, SrView
from chainwatch_collector.track.runs_seen import MergeSeen, RunSeen
from chainwatch_collector.track.state import PoolState, SrState

MERGES_SHOWN_FOR: Final = timedelta(days=1)
_FULL_UUID: Final = 36


class SrViews:
    """SR uuid → view. A pool's are made anew only when its picture, its state or an agent's state changed."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Picture, PoolState | None, Mapping[str, AgentState], dict[str, SrView]]] = {}

    def of(self, board: Board, states: Mapping[str, AgentState]) -> dict[str, SrView]:
        """Of every picture. `states`: host uuid → its agent's state."""
        views: dict[str, SrView] = {}
        for pool, picture in board.pictures.items():
            state, kept = board.states.get(pool), self._of.get(pool)
            if kept is None or kept[0] is not picture or kept[1] is not state or kept[2] != states:
                kept = self._of[pool] = (picture, state, states, sr_views(board, pool, states))
            views.update(kept[3])
        return views


def sr_views(board: Board, pool: str, states: Mapping[str, AgentState]) -> dict[str, SrView]:
    """Of one pool that has a picture."""
    picture, state, name = board.pictures[pool], board.states.get(pool), pool_name(board, pool)
    attached = _attachments(picture, states)
    return {sr.uuid: _sr_view(pool, name, picture, sr, state, attached.get(sr.ref, ())) for sr in picture.srs.values()}


def _sr_view(
    pool: str, name: str, picture: Picture, sr: Sr, state: PoolState | None, attached: tuple[Attachment, ...]
) -> SrView:
    judged = state.srs.get(sr.uuid) if state is not None else None
    gc_host = picture.host_by_uuid(judged.gc_host) if judged is not None and judged.gc_host else None
    return SrView(
        uuid=sr.uuid,
        name=sr.name,
        pool_uuid=pool,
        pool_name=name,
        type=sr.type,
        shared=sr.shared,
        size_bytes=sr.physical_size_bytes,
        used_bytes=sr.physical_utilisation_bytes,
        virtual_bytes=sr.virtual_allocation_bytes,
        vdis=len(picture.vdis(sr.ref)),
        gc_host_uuid=gc_host.uuid if gc_host is not None else None,
        gc_host_name=gc_host.name if gc_host is not None else "",
        attachments=attached,
    )


def _attachments(picture: Picture, states: Mapping[str, AgentState]) -> dict[str, tuple[Attachment, ...]]:
    found: dict[str, tuple[Attachment, ...]] = {}
    for pbd in picture.pbds.values():
        host = picture.hosts.get(pbd.host_ref)
        if host is not None:
            one = Attachment(host.uuid, host.name, pbd.currently_attached, states.get(host.uuid, "missing"))
            found[pbd.sr_ref] = (*found.get(pbd.sr_ref, ()), one)
    return found


# --- merges ---------------------------------------------------------------------------------------------------


class FullNames:
    """8 printed characters → the one VDI of an SR's forest; a table per SR, made anew only for a new forest."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Forest, dict[str, str | None]]] = {}

    def full(self, sr: SrState, printed: str) -> str:
        """What was printed where none or several begin like this."""
        if len(printed) == _FULL_UUID or sr.forest is None:
            return printed
        kept = self._of.get(sr.uuid)
        if kept is None or kept[0] is not sr.forest:
            table: dict[str, str | None] = {}
            for uuid in sr.forest.nodes:
                table[uuid[:8]] = None if uuid[:8] in table else uuid
            kept = self._of[sr.uuid] = (sr.forest, table)
        return kept[1].get(printed) or printed


def merge_views(board: Board, now: datetime, names: FullNames) -> list[MergeView]:
    """Running ones and those of the last day, newest first."""
    views = [view for state in board.states.values() for view in _merges_of(state, now, names)]
    views.sort(key=lambda view: (view.started_at, view.child), reverse=True)
    return views


def _merges_of(state: PoolState, now: datetime, names: FullNames) -> Iterator[MergeView]:
    for sr in state.srs.values():
        for run in sr.runs:
            for merge in run.merges:
                ended = merge.end.at if merge.end is not None else None
                recent = ended is None or now - ended <= MERGES_SHOWN_FOR
                if merge.start.at is not None and recent and (ended is not None or run.running):
                    yield _merge(state, sr, run, merge, names)


def _merge(state: PoolState, sr: SrState, run: RunSeen, merge: MergeSeen, names: FullNames) -> MergeView:
    assert merge.start.at is not None
    child, parent = names.full(sr, merge.child), names.full(sr, merge.parent)
    host = state.hosts.get(run.key.host)
    view = MergeView(
        sr_uuid=sr.uuid,
        sr_name=sr.name,
        pool_uuid=state.pool_uuid or "",
        kind=merge.kind,
        child=child,
        parent=parent,
        started_at=merge.start.at,
        host_name=host.name if host is not None else run.key.host,
        outcome=merge.outcome,
        cause=merge.cause,
        ended_at=merge.end.at if merge.end is not None else None,
    )
    return view if merge.end is not None else _with_progress(view, sr)


def _with_progress(view: MergeView, sr: SrState) -> MergeView:
    """Bytes of the image process that copies this child; unknown where none is seen."""
    node = sr.forest.nodes.get(view.child) if sr.forest is not None else None
    total = node.copy_bytes if node is not None else None
    copier = next((one for one in sr.processes if one.copies and one.process.vdi_uuid == view.child), None)
    if copier is None:
        return _replaced(view, None, total, None)
    return _replaced(view, copier.process.write_bytes, total, copier.rate_bytes_per_second)


def _replaced(view: MergeView, done: int | None, total: int | None, rate: float | None) -> MergeView:
    left = max(0, total - done) if total is not None and done is not None else None
    return MergeView(
        view.sr_uuid,
        view.sr_name,
        view.pool_uuid,
        view.kind,
        view.child,
        view.parent,
        view.started_at,
        view.host_name,
        done_bytes=done,
        total_bytes=total,
        rate_bytes_per_second=rate,
        eta_seconds=left / rate if left is not None and rate else None,
    )
