"""The first message of a stream: who this is, what it can do, what it follows."""

import time
from typing import Iterable

from chainwatch.v1 import ingest_service_pb2

from chainwatch_agent import VERSION
from chainwatch_agent.host_facts import read_host_facts
from chainwatch_agent.policy import floor_for
from chainwatch_agent.reader import policy_message

# Of the optional parts of the contract (proto/README.md 11.3) those that every agent has.
FEATURES = ("samples", "status", "policy", "drain", "reopen")


def hello(root: str, logs: Iterable[str], agent_epoch: int, features: Iterable[str]) -> ingest_service_pb2.Hello:
    """Of the dom0 whose / is `root`. `features` are those besides `FEATURES`."""
    facts = read_host_facts(root)
    logs = tuple(logs)
    return ingest_service_pb2.Hello(
        host_uuid=facts.host_uuid,
        hostname=facts.hostname,
        machine_id=facts.machine_id,
        boot_id=facts.boot_id,
        agent_version=VERSION,
        agent_epoch=agent_epoch,
        features=FEATURES + tuple(features),
        agent_clock_us=int(time.time() * 1e6),
        timezone=facts.timezone,
        utc_offset_seconds=facts.utc_offset_seconds,
        python=facts.python,
        sm_version=facts.sm_version,
        logs=logs,
        policy=policy_message(floor_for(logs)),
    )
