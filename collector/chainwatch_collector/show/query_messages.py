"""Bodies → protobuf messages. Every field of the proto has its one source here. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from chainwatch.v1 import query_service_pb2 as pb

from chainwatch_collector.judge.answer import Evidence
from chainwatch_collector.show.bodies import FindingBody, HealthBody, PoolBody, WhyBody
from chainwatch_collector.show.views import Page

STATUS: Final = {
    "ok": pb.HEALTH_STATUS_OK,
    "warning": pb.HEALTH_STATUS_WARNING,
    "error": pb.HEALTH_STATUS_ERROR,
    "unknown": pb.HEALTH_STATUS_UNKNOWN,
}


def health(body: HealthBody) -> pb.GetHealthResponse:
    return pb.GetHealthResponse(
        status=STATUS[body.status],
        sentence=body.sentence,
        as_of_us=_us(body.as_of),
        errors=body.counts.error,
        warnings=body.counts.warning,
        infos=body.counts.info,
        muted=body.counts.muted,
        stale=body.counts.stale,
        unknown_srs=body.counts.unknown_srs,
        agents_reporting=body.agents_reporting,
        agents_total=body.agents_total,
        pools=[_pool(one) for one in body.pools],
    )


def _pool(body: PoolBody) -> pb.PoolHealth:
    return pb.PoolHealth(
        uuid=body.pool.uuid,
        name=body.pool.name,
        status=STATUS[body.status],
        reachable=body.pool.reachable,
        problem=body.pool.problem or "",
        srs=body.srs,
        findings=body.findings,
    )


def why(body: WhyBody) -> pb.WhyResponse:
    return pb.WhyResponse(
        subject=pb.Subject(kind=body.subject.kind, uuid=body.subject.uuid, name=body.subject.name),
        status=body.status,
        sentence=body.sentence,
        code=body.code or "",
        checks=[pb.WhyCheck(name=one.name, status=one.status, detail=one.detail) for one in body.checks],
        evidence=_evidence(body.evidence),
        findings=[finding(one) for one in body.findings],
        as_of_us=_us(body.as_of),
    )


def findings(found: Page[FindingBody]) -> pb.ListFindingsResponse:
    return pb.ListFindingsResponse(findings=[finding(one) for one in found.items], next_page_token=found.next or "")


def finding(body: FindingBody) -> pb.Finding:
    return pb.Finding(
        id=body.id,
        because=body.because,
        code=body.code,
        severity=body.severity,
        stale=body.stale,
        subject=pb.Subject(kind=body.subject.kind, uuid=body.subject.uuid, name=body.subject.name),
        summary=body.summary,
        since_us=_us(body.since),
        count=body.count,
        evidence=_evidence(body.evidence),
        next=[
            pb.NextStep(
                risk=step.risk,
                text=step.text,
                command=step.command or "",
                precheck=step.precheck or "",
                warning=step.warning or "",
            )
            for step in body.next
        ],
        pool_uuid=body.pool_uuid,
        pool_name=body.pool_name,
        sr_uuid=body.sr_uuid or "",
        muted=body.muted is not None,
    )


def _evidence(lines: Iterable[Evidence]) -> list[pb.Evidence]:
    return [pb.Evidence(source=one.source, offset=one.offset, at_us=_us(one.at), text=one.text) for one in lines]


def _us(at: datetime | None) -> int:
    """Microseconds since 1970 in UTC; 0 where there is no time."""
    return 0 if at is None else round(at.timestamp() * 1_000_000)
