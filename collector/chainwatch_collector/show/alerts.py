"""Prometheus alert rules and a Grafana dashboard, generated: a code that is in the catalogue has its alert."""

from collections.abc import Mapping
from typing import Any, Final

from chainwatch_collector.show.views import Explanation

PAGE_AFTER: Final = {"error": "1m", "warning": "10m"}
_NEVER: Final = frozenset({"info"})


def rules(catalogue: Mapping[str, Explanation], external_url: str) -> dict[str, Any]:
    """Rule groups as Prometheus reads them: one alert for each code that is more than info, and the watchdogs."""
    base = external_url.rstrip("/")
    per_code = [_rule(entry, base) for _, entry in sorted(catalogue.items()) if entry.severity not in _NEVER]
    return {
        "groups": [
            {"name": "chainwatch-codes", "rules": per_code},
            {"name": "chainwatch-itself", "rules": _watchdogs()},
        ]
    }


def alert_name(code: str) -> str:
    """`COALESCE_NO_SPACE` → `ChainwatchCoalesceNoSpace`."""
    return "Chainwatch" + "".join(part.capitalize() for part in code.split("_"))


def _rule(entry: Explanation, base: str) -> dict[str, Any]:
    """The severity of the alert is the finding's own: a code may be a warning here and an error there."""
    severity = "error" if entry.severity == "error" else "warning"
    chosen = f'code="{entry.code}",severity=~"error|warning",root="yes"'
    return {
        "alert": alert_name(entry.code),
        "expr": f"sum by (pool, sr, sr_uuid, severity) (chainwatch_finding{{{chosen}}}) > 0",
        "for": PAGE_AFTER[severity],
        "labels": {"code": entry.code},
        "annotations": {
            "summary": f"{entry.title} ({entry.code})",
            "description": "{{ $value }} open in pool {{ $labels.pool }}"
            "{{ if $labels.sr }}, on SR {{ $labels.sr }}{{ end }}: chainwatch health --detail",
            "runbook_url": f"{base}/codes/{entry.code}",
        },
    }


def _watchdogs() -> list[dict[str, Any]]:
    return [
        {
            "alert": "ChainwatchDown",
            "expr": "absent(chainwatch_build_info)",
            "for": "5m",
            "labels": {"severity": "error"},
            "annotations": {
                "summary": "chainwatch is not scraped",
                "description": "No collector answers: nobody watches coalesce.",
            },
        },
        {
            "alert": "ChainwatchAnswerOld",
            "expr": "chainwatch_answer_age_seconds > 900",
            "for": "5m",
            "labels": {"severity": "warning"},
            "annotations": {
                "summary": "chainwatch has no fresh answer",
                "description": "The newest answer on pool {{ $labels.pool }} is {{ $value | humanizeDuration }} old.",
            },
        },
    ]


_PANELS: Final = (
    ("Health (0 ok, 1 warning, 2 error, 3 unknown)", "chainwatch_health_status", "{{pool}}", "none"),
    ("Open findings by code", "sum by (code) (chainwatch_finding)", "{{code}}", "none"),
    ("Backlog to merge", "topk(10, chainwatch_coalesce_backlog_bytes)", "{{pool}} {{sr}}", "bytes"),
    ("Deepest chain (limit 30)", "topk(10, chainwatch_chain_depth_max)", "{{pool}} {{sr}}", "none"),
    ("Free space", "bottomk(10, chainwatch_sr_free_ratio)", "{{pool}} {{sr}}", "percentunit"),
    ("Merge rate", "chainwatch_coalesce_bytes_per_second", "{{pool}} {{sr}}", "Bps"),
    ("Evidence lag", "topk(10, chainwatch_agent_lag_seconds)", "{{host}}", "s"),
    (
        "VMs that a backup would be refused",
        'sum by (pool) (chainwatch_vms{for="backup",verdict="refused"})',
        "{{pool}}",
        "none",
    ),
)


def dashboard() -> dict[str, Any]:
    """A Grafana dashboard over these metrics; the data source is chosen on import."""
    return {
        "title": "chainwatch",
        "uid": "chainwatch",
        "tags": ["xen", "storage"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-7d", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "data source"}]
        },
        "panels": [_panel(number, *panel) for number, panel in enumerate(_PANELS)],
    }


def _panel(number: int, title: str, expression: str, legend: str, unit: str) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": "A", "expr": expression, "legendFormat": legend}],
    }
