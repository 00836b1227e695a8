"""`chainwatch verdict`: may this VM be snapshot or backed up now."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import VERDICTS
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import (
    badge,
    emit,
    limit_option,
    output_option,
    pool_option,
    print_more,
    print_table,
    say,
    terminal_width,
    wrapped,
)
from chainwatch_collector.cli.table import Column
from chainwatch_collector.words import between, plural, size

EXITS: Final = {"refused": 2, "unknown": 3, "at_risk": 1, "ok": 0}
ORDER: Final = ("refused", "unknown", "at_risk", "ok")
REBOOT: Final = "may be rebooted now"
"""The line of a host's checklist that `--host` is about."""
HOST_ANSWERS: Final = {"ok": "ok", "skipped": "ok", "error": "refused", "unknown": "unknown"}
HOSTS: Final = tuple(Column(key.upper(), itemgetter(key), key, always=True) for key in ("host", "answer", "detail"))


@click.command()
@click.argument("vms", nargs=-1, metavar="[VM…]")
@output_option
@pool_option
@limit_option(200)
@click.option("--job", help="only the VMs of this backup job, and the space of its whole window")
@click.option("--all", "everyone", is_flag=True, help="every VM, as without a VM")
@click.option("--host", metavar="HOST", help="may HOST be rebooted, or the master move away from it, now")
@click.option("--for", "purpose", type=click.Choice(["snapshot", "backup"]), help="judge by this one alone")
def command(
    vms: tuple[str, ...],
    output: str,
    pool: str | None,
    limit: int,
    job: str | None,
    everyone: bool,
    host: str | None,
    purpose: str | None,
) -> int:
    """May VM be snapshot and backed up now; without VM, all of them. Exit: 0 ok, 1 at risk, 2 refused, 3 unknown.

    \b
    Examples:
      chainwatch verdict vm-db-1 --for backup
      chainwatch verdict --job nightly
      chainwatch verdict --host xcp1
      chainwatch verdict -o tsv
    """
    if sum(map(bool, (vms, job, everyone, host))) > 1:
        raise click.UsageError("one of: VMs, --all, --job, --host")
    with connect() as client:
        if host is not None:
            return _of_host(client.get("/why", {"subject": host}), output)
        asked = [{"vm": vm, "job": job, "pool": pool, "limit": limit} for vm in vms or (None,)]
        bodies = [client.get("/verdict", one) for one in asked]
    body = {**bodies[0], "items": [item for one in bodies for item in one["items"]]}
    items = body["items"]
    emit(body, output, lambda: _print(body, bool(vms)), VERDICTS, items)
    wanted = (purpose,) if purpose else ("snapshot", "backup")
    answers = {item[one] for item in items for one in wanted}
    if body.get("job"):
        answers |= {window["answer"] for window in body["job"]["windows"]}
        answers |= {"at_risk"} if body["job"]["empty"] else set()
    return next((EXITS[answer] for answer in ORDER if answer in answers), 0)


def _of_host(body: Mapping[str, Any], output: str) -> int:
    """The one line of a host's checklist that answers it."""
    name = body["subject"]["name"]
    check = next((one for one in body["checks"] if one["name"] == REBOOT), None)
    if check is None:
        raise CliError(f"{name} is no host", "give a host's name or uuid: chainwatch agent list")
    shown = {"host": name, "answer": HOST_ANSWERS[check["status"]], "detail": check["detail"]}
    emit(shown, output, lambda: _print_host(check["status"], f"{name}: {check['detail']}"), HOSTS, [shown])
    return EXITS[shown["answer"]]


def _print_host(status: str, sentence: str) -> None:
    say(badge(status))
    for line in wrapped(sentence, terminal_width()):
        say(line)


def _print(body: Mapping[str, Any], one_by_one: bool) -> None:
    items = body["items"]
    print_table(VERDICTS, items, "no VM has a disk that SM keeps in a chain")
    print_more(body)
    if body.get("job"):
        _print_job(body["job"])
    for item in items if one_by_one else ():
        _print_vm(item)


def _print_vm(item: Mapping[str, Any]) -> None:
    for disk in item["disks"]:
        counted = (("inner_pending", "inner pending"), ("leaf_pending", "leaf pending"), ("kept", "kept"))
        parts = [f"{disk[key]} {what}" for key, what in (*counted, ("blocked", "blocked")) if disk[key]]
        need = disk["snapshot_need_bytes"]
        room = f", a snapshot needs {between(need)}" if need else ""
        links = f"depth {disk['depth']}, {disk['headroom']} to the limit"
        say(f"  {disk['vdi']}  {links}:")
        say(f"    {', '.join(parts) or 'nothing pending'}{room}")
    for code in item["reasons"]:
        say(f"  chainwatch explain {code}")


def _print_job(job: Mapping[str, Any]) -> None:
    for line in wrapped(job["sentence"], terminal_width()):
        say(line)
    for one in job["windows"]:
        free = size(one["free_bytes"])
        disks = plural(one["disks"], "disk")
        say(f"  {badge(one['answer'])} {one['sr_name']}: {disks} need {between(one['need_bytes'])}, {free} free")
