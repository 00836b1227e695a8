"""Pages of `why` over a scene, and findings made by hand."""

from __future__ import annotations

from chainwatch_collector.judge.answer import Evidence, Finding, FindingSubject, Step
from chainwatch_collector.judge.checklist import Check, Subject, Why
from chainwatch_collector.judge.why import why
from collector.judge.scene import POOL_UUID, START, Scene
from smlog import SR


def asked(scene: Scene, kind: str = "sr", uuid: str = SR, name: str = "store") -> Why:
    scene.look()
    assert scene.last is not None
    return why(scene.tracker.state(scene.now), scene.last.answer, Subject(kind, uuid, name, POOL_UUID), scene.now)


def line(page: Why, name: str) -> Check:
    return next(check for check in page.checks if check.name == name)


def worked(scene: Scene, pid: int = 100) -> Scene:
    return scene.log(scene.smlog().start(pid).chain(pid).finish(pid))


def finding(key: str, code: str, severity: str, kind: str, uuid: str, name: str) -> Finding:
    proof = Evidence("xcp1:/var/log/SMlog", sum(key.encode()), START, f"proof of {key}")
    return Finding(
        id=key,
        because=(),
        code=code,
        severity=severity,  # type: ignore[arg-type]
        stale=False,
        subject=FindingSubject(kind, uuid, name),
        summary=f"{code} of {name}.",
        since=START,
        count=1,
        evidence=(proof,),
        next=(Step("safe", "Look."),),
        sr_uuid=SR if kind == "sr" else None,
    )
