"""`chainwatch verdict`: may this VM be snapshot or backed up now."""

import textwrap
from collections.abc import Mapping
from typing import Any, Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import VERDICTS
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
)
from chainwatch_collector.words import between, plural, size

EXITS: Final = {"refused": 2, "unknown": 3, "at_risk": 1, "ok": 0}
ORDER: Final = ("refused", "unknown", "at_risk", "ok")


@click.command()
@click.argument("vm", required=False)
@output_option
@pool_option
@limit_option(200)
@click.option("--job", help="only the VMs of this backup job, and the space of its whole window")
@click.option("--for", "purpose", type=click.Choice(["snapshot", "backup"]), help="judge by this one alone")
def command(vm: str | None, output: str, pool: str | None, limit: int, job: str | None, purpose: str | None) -> int:
    """May VM be snapshot and backed up now; without VM, all of them. Exit: 0 ok, 1 at risk, 2 refused, 3 unknown.

    \b
    Examples:
      chainwatch verdict vm-db-1 --for backup
      chainwatch verdict --job nightly
      chainwatch verdict -o tsv
    """
    if vm is not None and job is not None:
        raise click.UsageError("a VM or --job, not both")
    with connect() as client:
        body = client.get("/verdict", {"vm": vm, "job": job, "pool": pool, "limit": limit})
    items = body["items"]
    emit(body, output, lambda: _print(body, vm), VERDICTS, items)
    asked = (purpose,) if purpose else ("snapshot", "backup")
    answers = {item[one] for item in items for one in asked}
    if body.get("job"):
        answers |= {window["answer"] for window in body["job"]["windows"]}
        answers |= {"at_risk"} if body["job"]["empty"] else set()
    return next((EXITS[answer] for answer in ORDER if answer in answers), 0)


def _print(body: Mapping[str, Any], vm: str | None) -> None:
    items = body["items"]
    print_table(VERDICTS, items, "no VM has a disk that SM keeps in a chain")
    print_more(body)
    if body.get("job"):
        _print_job(body["job"])
    if vm is None or not items:
        return
    for disk in items[0]["disks"]:
        counted = (("inner_pending", "inner pending"), ("leaf_pending", "leaf pending"), ("kept", "kept"))
        parts = [f"{disk[key]} {what}" for key, what in (*counted, ("blocked", "blocked")) if disk[key]]
        need = disk["snapshot_need_bytes"]
        room = f", a snapshot needs {between(need)}" if need else ""
        links = f"depth {disk['depth']}, {disk['headroom']} to the limit"
        say(f"  {disk['vdi']}  {links}:")
        say(f"    {', '.join(parts) or 'nothing pending'}{room}")
    for code in items[0]["reasons"]:
        say(f"  chainwatch explain {code}")


def _print_job(job: Mapping[str, Any]) -> None:
    for line in textwrap.wrap(job["sentence"], terminal_width()):
        say(line)
    for one in job["windows"]:
        free = size(one["free_bytes"])
        disks = plural(one["disks"], "disk")
        say(f"  {badge(one['answer'])} {one['sr_name']}: {disks} need {between(one['need_bytes'])}, {free} free")
