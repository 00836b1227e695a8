"""`chainwatch-agent check`: the real path from end to end, what is wrong, and the next thing to type.

The probing stream says Hello as the daemon would, and so takes the host's stream epoch: a running agent's stream is
superseded for a moment and comes back by itself. Nothing is sent on it.
"""

import asyncio
import os
from typing import BinaryIO, List, NamedTuple

from chainwatch.v1 import ingest_service_pb2

from chainwatch_agent import backoff
from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.config import Settings, below
from chainwatch_agent.generations import generations, identify
from chainwatch_agent.hello import hello
from chainwatch_agent.transport import Stream, StreamEnded, Tls, TlsError, credentials, slow_protobuf

_WELCOME_SECONDS = 15.0


class Finding(NamedTuple):
    """One line of the answer. `next_step` is empty where all is well."""

    good: bool
    text: str
    next_step: str = ""


def check(settings: Settings, out: BinaryIO) -> int:
    """Print every finding; 0 where `run` would work, else 2."""
    findings = _logs(settings) + _state(settings) + _tls(settings)
    if all(finding.good for finding in findings if "TLS" in finding.text):
        findings += _collectors(settings)
    for finding in findings:
        line = "{} {}".format("ok  " if finding.good else "FAIL", finding.text)
        if finding.next_step:
            line += "\n     next: " + finding.next_step
        out.write(line.encode("utf-8", "replace") + b"\n")
    good = all(finding.good for finding in findings)
    if good:
        out.write(b"everything is ready: systemctl start chainwatch-agent\n")
    out.flush()
    return 0 if good else 2


def _logs(settings: Settings) -> List[Finding]:
    findings = []
    for log in settings.logs:
        path = below(settings.root, log)
        try:
            found = [identify(one) for one in generations(log, path)]
        except OSError as error:
            findings.append(Finding(False, "{}: {}".format(log, error.strerror), "ls -ld " + os.path.dirname(path)))
            continue
        problems = [one.problem for one in found if one.problem]
        for one in found:
            if one.source is not None:
                one.source.close()
        findings.append(_log_finding(log, path, len(found), problems))
    if os.path.exists(below(settings.root, "/etc/xensource/no_sm_log")):
        findings.append(Finding(False, "SM logs nothing: no_sm_log exists", "rm /etc/xensource/no_sm_log"))
    if slow_protobuf():
        findings.append(Finding(False, "protobuf runs in pure Python", "install the package's own protobuf again"))
    return findings


def _log_finding(log: str, path: str, count: int, problems: List[str]) -> Finding:
    if problems:
        return Finding(False, "; ".join(problems), "run as root; then: ls -l {}*".format(path))
    if count == 0 and log.endswith("/SMlog"):
        return Finding(False, "{}: there is no such file".format(log), "grep local2 /etc/rsyslog.d/*.conf")
    if count == 0:
        return Finding(True, "{}: not there yet".format(log))
    return Finding(True, "{}: {} file{} readable".format(log, count, "" if count == 1 else "s"))


def _state(settings: Settings) -> List[Finding]:
    checkpoint = Checkpoint(os.path.join(settings.state_dir, "checkpoint"))
    problem = checkpoint.load()
    if problem:
        return [Finding(True, problem)]
    if os.path.isdir(settings.state_dir) and not os.access(settings.state_dir, os.W_OK):
        return [Finding(False, "{}: not writable".format(settings.state_dir), "ls -ld " + settings.state_dir)]
    return [Finding(True, "{}: state directory".format(settings.state_dir))]


def _tls(settings: Settings) -> List[Finding]:
    try:
        credentials(Tls(settings.ca, settings.certificate, settings.key))
    except TlsError as error:
        return [
            Finding(False, "TLS: {}".format(error), "chainwatch agent enroll --host UUID (on the collector's side)")
        ]
    return [Finding(True, "TLS: CA, certificate and key are there")]


def _collectors(settings: Settings) -> List[Finding]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return [loop.run_until_complete(_collector(settings, address)) for address in settings.addresses]
    finally:
        loop.close()


async def _collector(settings: Settings, address: str) -> Finding:
    stream = Stream(address, Tls(settings.ca, settings.certificate, settings.key), settings.keepalive_seconds)
    try:
        await stream.write(ingest_service_pb2.AgentMessage(hello=hello(settings.root, settings.logs, 1, ())))
        answer = await asyncio.wait_for(stream.read(), _WELCOME_SECONDS)
    except StreamEnded as ended:
        given = backoff.advice(ended.code, ended.details)
        return Finding(False, "{}: {}".format(address, given.text), _next_step(ended.code, address))
    except asyncio.TimeoutError:
        return Finding(False, "{}: no answer within {:g} s".format(address, _WELCOME_SECONDS), "ping the collector")
    finally:
        await stream.close()
    welcome = answer.welcome
    named = "{} files known".format(len(welcome.positions))
    return Finding(True, "{}: welcomed by collector {}, {}".format(address, welcome.collector_version, named))


def _next_step(code: str, address: str) -> str:
    host = address.rsplit(":", 1)
    if code == "UNAVAILABLE":
        return "curl -vk https://{}:{} (is it reachable? what does its log say?)".format(host[0], host[-1])
    if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return "chainwatch agent enroll --host UUID (on the collector's side), then chainwatch-agent enroll here"
    return "look into the collector's log"
