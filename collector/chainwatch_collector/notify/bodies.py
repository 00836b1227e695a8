"""The JSON that is sent: our own to webhooks, Alertmanager's v2 alerts to Alertmanagers. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from chainwatch_collector.notify.incident import EFFECTS_NAMED, Incident
from chainwatch_collector.show.alerts import alert_name
from chainwatch_collector.words import iso

Json = dict[str, Any]
FIRING_FOR: Final = timedelta(minutes=15)
"""What an Alertmanager hears no more of is over for it after this; it is told anew every minute."""
_EVIDENCE_SENT: Final = 3
_STEPS_SENT: Final = 3


def incident_body(incident: Incident, external_url: str) -> Json:
    """What is known of an incident, as it is kept for its end."""
    root = incident.root
    return {
        "id": root.id,
        "code": root.code,
        "severity": incident.severity,
        "subject": {"kind": root.subject.kind, "uuid": root.subject.uuid, "name": root.subject.name},
        "pool": {"uuid": root.pool_uuid, "name": root.pool_name},
        "sr_uuid": root.sr_uuid,
        "summary": root.summary,
        "since": iso(root.since),
        "stale": root.stale,
        "evidence": [
            {"source": one.source, "offset": one.offset, "at": iso(one.at) if one.at else None, "text": one.text}
            for one in root.evidence[:_EVIDENCE_SENT]
        ],
        "next": [{"risk": one.risk, "text": one.text, "command": one.command} for one in root.next[:_STEPS_SENT]],
        "effects": [
            {"code": one.code, "severity": one.severity, "subject": one.subject.name, "summary": one.summary}
            for one in incident.effects[:EFFECTS_NAMED]
        ],
        "effects_total": len(incident.effects),
        "url": f"{external_url.rstrip('/')}/finding/{root.id}" if external_url else None,
    }


def webhook(key: str, event: str, body: Mapping[str, Any], at: datetime) -> Json:
    """`text` says it in a line, for chats that read that field alone; `message` tells a repeated delivery."""
    return {"version": 1, "message": key, "event": event, "at": iso(at), "text": line(event, body), **body}


def line(event: str, body: Mapping[str, Any]) -> str:
    """`ERROR COALESCE_NO_SPACE on nfs-1 (pool prod): …`."""
    incident = body["incident"]
    where = f"{incident['code']} on {incident['subject']['name']} (pool {incident['pool']['name']})"
    if event == "resolved":
        return f"RESOLVED {where}: {body['why']}"
    head = {"worse": "WORSE, ", "better": "BETTER, "}.get(event, "")
    more = f" {incident['effects_total']} more hang on it." if incident["effects_total"] else ""
    return f"{head}{incident['severity'].upper()} {where}: {incident['summary']}{more}"


def alerts(event: str, body: Mapping[str, Any], at: datetime) -> list[Json]:
    """Alertmanager's `POST /api/v2/alerts`. A severity is a label there: the alert of the one before ends."""
    incident = body["incident"]
    if event == "resolved":
        return [_alert(incident, incident["severity"], at)]
    ended = [_alert(incident, body["before"], at)] if event in ("worse", "better") else []
    return [*ended, _alert(incident, incident["severity"], at + FIRING_FOR)]


def _alert(incident: Mapping[str, Any], severity: str, ends: datetime) -> Json:
    subject, pool = incident["subject"], incident["pool"]
    labels = {
        "alertname": alert_name(incident["code"]),
        "code": incident["code"],
        "severity": severity,
        "pool": pool["name"],
        "subject": subject["name"],
        "subject_kind": subject["kind"],
        "subject_uuid": subject["uuid"],
        "finding": incident["id"],
    }
    notes = {"summary": f"{incident['code']} on {subject['name']}", "description": incident["summary"]}
    if incident["next"]:
        notes["next"] = f"[{incident['next'][0]['risk']}] {incident['next'][0]['text']}"
    made: Json = {"labels": labels, "annotations": notes, "startsAt": incident["since"], "endsAt": iso(ends)}
    return {**made, "generatorURL": incident["url"]} if incident["url"] else made
