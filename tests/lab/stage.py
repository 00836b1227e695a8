"""Scenarios on a running installation: what is done, what the collector must say of it and when, and how it heals.

A watcher asks the collector's REST API all the time and remembers what was open when, so that scenarios run beside each
other and nobody misses a finding that came and went.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from lab.estate import Installation, PoolPlan

Finding = dict[str, Any]
POLL_SECONDS = 0.2
LATEST_SECONDS = 10.0
"""How long after its condition is met a finding may take."""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A finding by hand. `subject` is a name: the SR's, a disk's of it, or a host's.

    `because` is the code of its root, empty for a root; `host` and `line`: whose log proves it, and by which words;
    `says` must be in its summary.
    """

    code: str
    severity: str
    subject: str
    because: str = ""
    host: str = ""
    line: str = ""
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`act` returns when the condition is met, `heal` when what heals it was done.

    `also`: codes of the SR and of the hosts named (with `whole_pool`, of anything in the pool) that may come beside.
    """

    name: str
    pool: str
    sr: str
    act: Callable[[Stage], None]
    heal: Callable[[Stage], None]
    expected: Sequence[Expected]
    also: frozenset[str] = frozenset()
    whole_pool: bool = False


@dataclass
class Seen:
    """What was open at one moment (monotonic seconds)."""

    at: float
    findings: Sequence[Finding]


@dataclass
class Watcher:
    """Asks for all open findings again and again. A context manager."""

    url: str
    ca: Path
    timeline: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Watcher:
        self._client = httpx2.Client(verify=ssl.create_default_context(cafile=str(self.ca)), timeout=10)
        self._news = threading.Condition()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends.set()
        self._thread.join()
        self._client.close()

    def _watch(self) -> None:
        while not self._ends.wait(POLL_SECONDS):
            seen = Seen(time.monotonic(), self.get("findings", limit=1000)["items"])
            with self._news:
                self.timeline.append(seen)
                self._news.notify_all()

    def get(self, path: str, **query: Any) -> Any:
        """A body of the API. Raises httpx2.HTTPError."""
        answer = self._client.get(f"{self.url}/api/v1/{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    def first(self, holds: Callable[[Sequence[Finding]], bool], until: float, since: float = 0.0) -> float | None:
        """The first moment from `since` on at which it held; None where it did not come to hold until then."""
        looked = 0
        while True:
            with self._news:
                for seen in self.timeline[looked:]:
                    if seen.at >= since and holds(seen.findings):
                        return seen.at
                looked = len(self.timeline)
                if time.monotonic() > until:
                    return None
                self._news.wait(1)

    def ever(self, chosen: Callable[[Finding], bool]) -> list[Finding]:
        """Every finding so chosen that was open at any moment, each once as it was last."""
        found = {one["id"]: one for seen in self.timeline for one in seen.findings if chosen(one)}
        return list(found.values())


@dataclass
class Stage:
    """An installation, its watcher, and the scenarios at work on it."""

    installation: Installation
    watcher: Watcher
    workers: ThreadPoolExecutor
    acts: dict[str, Future[float]] = field(default_factory=dict)
    heals: dict[str, Future[float]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)

    def collect(self, pool: str, host: str, storage: str, **faults: Any) -> None:
        """A GC run, to its end."""
        if not self.installation.collect(pool, host, storage, **faults).wait(PATIENCE_SECONDS):
            raise AssertionError(f"the GC run of {storage} on {host} did not end")

    def begin(self, scenario: Scenario) -> None:
        """Act, beside the others."""
        self.acts[scenario.name] = self.workers.submit(self._timed, scenario.act)

    def _timed(self, do: Callable[[Stage], None]) -> float:
        do(self)
        return time.monotonic()

    def verdict(self, vm: str) -> Any:
        """The VM's verdict, once there is one. Raises AssertionError."""
        until = time.monotonic() + LATEST_SECONDS
        while True:
            [verdict] = self.watcher.get("verdict", vm=vm)["items"]
            if verdict["snapshot"] != "unknown":
                return verdict
            assert time.monotonic() < until, verdict
            time.sleep(POLL_SECONDS)

    # --- what is asked of it ----------------------------------------------------------------------------------

    def raises(self, scenario: Scenario) -> float:
        """Seconds from the condition to its findings. Raises AssertionError that shows what was there instead."""
        plan = self.installation.plans[scenario.pool]
        try:
            met = self.acts[scenario.name].result(PATIENCE_SECONDS)
            at = self.watcher.first(lambda found: not missing(found, scenario, plan), met + LATEST_SECONDS)
            self.answers[scenario.name] = self.watcher.get("why", subject=plan.sr_uuid(scenario.sr))
        finally:
            self.heals[scenario.name] = self.workers.submit(self._timed, scenario.heal)
        if at is None:
            shown = "\n".join(described(one) for one in self.of(scenario, self.watcher.timeline[-1].findings))
            lacks = missing(self.watcher.timeline[-1].findings, scenario, plan)
            raise AssertionError(f"{scenario.name}: not within {LATEST_SECONDS:g} s: {lacks}\nthere is:\n{shown}")
        self._explained(scenario)
        return max(0.0, at - met)

    def _explained(self, scenario: Scenario) -> None:
        """`why` of the SR says the same: its answer rests on an expected finding, or all is well."""
        answer = self.answers[scenario.name]
        told = {one.code for one in scenario.expected if one.severity != "info"}
        assert (answer["status"] == "ok") == (not told), f"{scenario.name}: why says {answer['sentence']}"
        assert not told or answer["code"] in told | scenario.also, f"{scenario.name}: why says {answer['sentence']}"

    def clears(self, scenario: Scenario) -> float:
        """Seconds from the healing until nothing expected is open; nothing unexpected was in all the time."""
        healed = self.heals[scenario.name].result(PATIENCE_SECONDS)
        codes = {one.code for one in scenario.expected}
        at = self.watcher.first(
            lambda found: not any(one["code"] in codes for one in self.of(scenario, found)),
            healed + LATEST_SECONDS,
            healed,
        )
        left = self.of(scenario, self.watcher.timeline[-1].findings)
        assert at is not None, f"{scenario.name}: still open:\n" + "\n".join(map(described, left))
        strange = [
            described(one)
            for one in self.watcher.ever(lambda one: bool(self.of(scenario, [one])))
            if one["code"] not in codes | scenario.also and one["severity"] != "info"
        ]
        assert not strange, f"{scenario.name}: nobody expects\n" + "\n".join(strange)
        return at - healed

    def of(self, scenario: Scenario, found: Sequence[Finding]) -> list[Finding]:
        """The findings of its SR and of the hosts that it expects something of, or of its whole pool."""
        plan = self.installation.plans[scenario.pool]
        if scenario.whole_pool:
            return [one for one in found if one["pool_name"] == plan.name]
        hosts = {plan.host_uuids().get(one.subject) for one in scenario.expected}
        sr = plan.sr_uuid(scenario.sr)
        return [one for one in found if one["sr_uuid"] == sr or one["subject"]["uuid"] in hosts]


def missing(found: Sequence[Finding], scenario: Scenario, plan: PoolPlan) -> list[str]:
    """What of the expected is not there as expected, in words."""
    by_id = {one["id"]: one for one in found}
    lacks = []
    for expected in scenario.expected:
        uuid = uuid_of(plan, scenario.sr, expected.subject)
        fits = [one for one in found if one["code"] == expected.code and one["subject"]["uuid"] == uuid]
        why = [_differs(one, expected, by_id) for one in fits] or ["not there"]
        if "" not in why:
            lacks.append(f"{expected.code} of {expected.subject}: {why[0]}")
    return lacks


def _differs(one: Finding, expected: Expected, by_id: Mapping[str, Finding]) -> str:
    """In which way it is not as expected; empty: in none."""
    roots = {by_id[cause]["code"] for cause in one["because"] if cause in by_id}
    if one["severity"] != expected.severity:
        return f"{one['severity']}, not {expected.severity}"
    if roots != ({expected.because} if expected.because else set()):
        return f"because of {sorted(roots)}, not of {expected.because or 'nothing'}"
    if expected.says not in one["summary"]:
        return f"says {one['summary']!r}"
    proofs = [line for line in one["evidence"] if line["source"].startswith(f"{expected.host}:")]
    if expected.line and not any(expected.line in line["text"] for line in proofs):
        return f"no line of {expected.host} with {expected.line!r}"
    return "" if one["next"] else "no next step"


def uuid_of(plan: PoolPlan, sr: str, name: str) -> str:
    """An SR, a host, or a disk of the SR."""
    if name == sr:
        return plan.sr_uuid(sr)
    return plan.host_uuids().get(name) or plan.vdi_uuid(sr, name)


def described(one: Finding) -> str:
    """A finding with its proofs, for a failure's message."""
    proofs = "".join(f"\n      {line['source']}@{line['offset']} {line['text'][:150]}" for line in one["evidence"])
    head = f"  {one['severity']} {one['code']} {one['subject']['name']} [{one['id']}] because {one['because']}"
    return f"{head}\n    {one['summary']}{proofs}"


@contextmanager
def stage(directory: Path, plans: Sequence[PoolPlan], extra: str, scenarios: Sequence[Scenario]) -> Iterator[Stage]:
    """Everything started, and every scenario begun."""
    with (
        Installation(directory, plans, extra=extra, scale=0.1) as installation,
        Watcher(f"https://127.0.0.1:{installation.collector.web_port}", installation.pki.ca) as watcher,
        ThreadPoolExecutor(len(scenarios), "scenario") as workers,
    ):
        made = Stage(installation, watcher, workers)
        wait_for_hosts(made)
        for scenario in scenarios:
            made.begin(scenario)
        yield made


def wait_for_hosts(made: Stage) -> None:
    """Until every agent reports and every pool has been asked."""
    expected = sum(len(plan.hosts if plan.agents is None else plan.agents) for plan in made.installation.plans.values())
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        agents = [one for one in made.watcher.get("agents")["items"] if one["state"] == "reporting"]
        srs = made.watcher.get("srs", limit=1000)["items"]
        wanted = sum(len(plan.storages) for plan in made.installation.plans.values())
        if len(agents) >= expected and len(srs) >= wanted:
            return
        assert time.monotonic() < until, f"{len(agents)} of {expected} agents, {len(srs)} of {wanted} SRs"
        time.sleep(POLL_SECONDS)
