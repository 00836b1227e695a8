"""A client generated from the published proto, over a real channel."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
from chainwatch.v1 import query_service_pb2 as pb
from chainwatch.v1 import query_service_pb2_grpc as pb_grpc
from chainwatch_collector.show.query_service import QueryServicer
from collector.show.estate import DR, NFS, PROD, estate
from collector.show.memory import MemoryModel
from collector.show.serving import NamedGuard

VIEW = (("authorization", "Bearer view"),)


@dataclass
class Service:
    stub: "pb_grpc.QueryServiceAsyncStub"
    model: MemoryModel
    servicer: QueryServicer


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    model = estate()
    servicer = QueryServicer(model, NamedGuard())
    server = grpc.aio.server()
    pb_grpc.add_QueryServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Service(pb_grpc.QueryServiceStub(channel), model, servicer)
    servicer.close()
    await server.stop(1)


async def test_health_is_the_same_as_rest(service: Service) -> None:
    body = await service.stub.GetHealth(pb.GetHealthRequest(), metadata=VIEW)
    assert body.status == pb.HEALTH_STATUS_ERROR
    assert (body.errors, body.warnings, body.stale, body.unknown_srs) == (3, 3, 1, 1)
    assert body.sentence == "3 errors, 3 warnings, 1 SR unknown, cannot reach dr."
    assert [(pool.name, pool.reachable) for pool in body.pools] == [("dr", False), ("prod", True)]
    one = await service.stub.GetHealth(pb.GetHealthRequest(pool="prod"), metadata=VIEW)
    assert [pool.uuid for pool in one.pools] == [PROD]


async def test_why_has_checks_evidence_and_steps(service: Service) -> None:
    body = await service.stub.Why(pb.WhyRequest(subject="nfs-prod-1"), metadata=VIEW)
    assert (body.code, body.subject.uuid) == ("COALESCE_NO_SPACE", NFS)
    assert [check.status for check in body.checks][3] == "error"
    assert body.findings[0].next[1].command == f"xe sr-scan uuid={NFS}"
    assert "No space to coalesce" in body.evidence[0].text


async def test_findings_page_worst_first(service: Service) -> None:
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListFindingsRequest(page_size=2, page_token=token)
        body = await service.stub.ListFindings(request, metadata=VIEW)
        seen += [finding.id for finding in body.findings]
        token = body.next_page_token
        if not token:
            break
    assert seen == ["f9", "f1", "f10", "f3", "f4", "f2"]
    roots = await service.stub.ListFindings(pb.ListFindingsRequest(root_only=True, sr="nfs-prod-1"), metadata=VIEW)
    assert [finding.id for finding in roots.findings] == ["f1", "f3"]


async def test_watch_says_it_at_once_and_again_on_a_change(service: Service) -> None:
    call = service.stub.Watch(pb.WatchRequest(pool="prod"), metadata=VIEW)
    first = await call.read()
    assert isinstance(first, pb.WatchResponse)
    assert first.health.errors == 1
    service.model.pool_answers[PROD] = type(service.model.pool_answers[PROD])()
    service.model.changed("answer", DR)
    service.model.changed("answer", PROD)
    second = await asyncio.wait_for(call.read(), 5)
    assert isinstance(second, pb.WatchResponse)
    assert (second.health.errors, second.revision) == (0, 2)
    service.servicer.close()
    with pytest.raises(grpc.aio.AioRpcError) as end:
        await asyncio.wait_for(call.read(), 5)
    assert end.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", ["GetHealth", "Why", "ListFindings", "Watch"])
@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer stranger"),), (("authorization", "Basic eA=="),)])
async def test_every_method_refuses_nobody_and_strangers(
    service: Service, method: str, metadata: tuple[tuple[str, str], ...]
) -> None:
    request = {"GetHealth": pb.GetHealthRequest(), "Why": pb.WhyRequest(subject="nfs-prod-1")}.get(
        method, pb.ListFindingsRequest() if method == "ListFindings" else pb.WatchRequest()
    )
    call = getattr(service.stub, method)(request, metadata=metadata)
    answer = call.read() if method == "Watch" else call
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await answer
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_the_methods_above_are_all_there_are() -> None:
    names = {method.name for method in pb.DESCRIPTOR.services_by_name["QueryService"].methods}
    assert names == {"GetHealth", "Why", "ListFindings", "Watch"}


@pytest.mark.parametrize(
    ("subject", "code"),
    [("nope", grpc.StatusCode.NOT_FOUND), ("07edc1b2", grpc.StatusCode.FAILED_PRECONDITION)],
)
async def test_a_name_that_is_wrong_says_so(service: Service, subject: str, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as wrong:
        await service.stub.Why(pb.WhyRequest(subject=subject), metadata=VIEW)
    assert wrong.value.code() == code
    assert subject in str(wrong.value.details())


async def test_a_pool_limit_holds_here_too(service: Service) -> None:
    limited = (("authorization", f"Bearer view@{DR}"),)
    body = await service.stub.ListFindings(pb.ListFindingsRequest(), metadata=limited)
    assert {finding.pool_uuid for finding in body.findings} == {DR}
    with pytest.raises(grpc.aio.AioRpcError) as wrong:
        await service.stub.Why(pb.WhyRequest(subject="nfs-prod-1"), metadata=limited)
    assert wrong.value.code() == grpc.StatusCode.NOT_FOUND
