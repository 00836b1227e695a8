"""Rescan, the only thing that the product does to a pool: off until configured, checked first, audited, followed up."""

from typing import Final

from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.views import AuditEntry, Check, NotAvailableError, Rescan, Subject

SWITCHED_OFF: Final = (
    "rescan is off; to allow it, write enabled = true below [rescan] in collector.toml and restart the collector"
)


def preview(scope: Scope, settings: ShowSettings, sr: Subject) -> Rescan:
    """What a rescan would be answered now; asks for nothing."""
    checks = (_configured(settings), *scope.model.rescan_prechecks(sr))
    return Rescan(
        id="",
        sr=sr,
        by=scope.principal.name,
        asked_at=scope.model.now(),
        state="asked" if passed(checks) else "refused",
        prechecks=checks,
        sentence=_sentence(sr, checks),
    )


def passed(checks: tuple[Check, ...]) -> bool:
    """Only what is known to be ok lets a rescan through: unknown is not ok."""
    return all(check.status == "ok" for check in checks)


async def ask(scope: Scope, settings: ShowSettings, sr: Subject) -> Rescan:
    """Check, ask, audit. Raises `ApiError` 403 where it is not configured, 409 where a precheck fails,
    and `NotAvailableError` where the pool cannot be asked."""
    plan = preview(scope, settings, sr)
    if not passed(plan.prechecks):
        await _audit(scope, sr, "refused", plan.sentence)
        configured = plan.prechecks[0].status == "ok"
        status, code = (409, "precheck_failed") if configured else (403, "not_configured")
        raise ApiError(status, code, plan.sentence, f"see them all: chainwatch rescan {sr.name} --check")
    try:
        result = await scope.model.rescan(sr, scope.principal.name)
    except NotAvailableError as error:
        await _audit(scope, sr, "failed", error.message)
        raise
    await _audit(scope, sr, result.state, result.sentence)
    return result


def _configured(settings: ShowSettings) -> Check:
    if settings.rescan_enabled:
        return Check("rescan is configured", "ok", "rescan is switched on in collector.toml")
    return Check("rescan is configured", "error", SWITCHED_OFF)


def _sentence(sr: Subject, checks: tuple[Check, ...]) -> str:
    failed = [check for check in checks if check.status != "ok"]
    if not failed:
        return f"{sr.name} may be scanned: every precheck is ok."
    return f"{sr.name} is not scanned: {failed[0].detail}"


async def _audit(scope: Scope, sr: Subject, outcome: str, text: str) -> None:
    now, who = scope.model.now(), scope.principal.name
    await scope.model.record_audit(AuditEntry(now, who, "rescan", sr.uuid, sr.pool_uuid, outcome, text))
