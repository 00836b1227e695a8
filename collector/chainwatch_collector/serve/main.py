"""`chainwatch-collector run|check|migrate|backup|restore|new-ca --config F`. Exit: 0, 2 for an error, 64 for usage."""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from chainwatch_collector.serve import local_audit, logs
from chainwatch_collector.serve.backup import BackupError, backup, restore
from chainwatch_collector.serve.check import run_checks
from chainwatch_collector.serve.composition import Collector, StartError, StateLock, open_database
from chainwatch_collector.serve.notify import notify
from chainwatch_collector.serve.parts import make_parts
from chainwatch_collector.serve.settings import DEFAULT_CONFIG, ConfigError, Settings, load
from chainwatch_collector.serve.tls import new_ca
from chainwatch_collector.trust.files import TrustFileError

# The fold computes in a thread of its own: at Python's 5 ms each answer of the database waits so long for its turn.
SWITCH_SECONDS = 0.001


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(64)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="chainwatch-collector", description="The central part of chainwatch.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    helps = {
        "run": "serve until SIGTERM",
        "check": "say whether run would work, and what to do where it would not",
        "migrate": "bring the database's schema up to date",
        "backup": "write a consistent copy of the database, also while the collector runs",
        "new-ca": "make a new CA, trusting the old one until every agent has renewed; the collector must be stopped",
        "restore": "put a backup in place of the database; the collector must be stopped",
    }
    for verb, text in helps.items():
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument(
            "--config", type=Path, default=DEFAULT_CONFIG, metavar="F", help=f"default {DEFAULT_CONFIG}"
        )
        if verb == "backup":
            command.add_argument("--to", type=Path, required=True, metavar="FILE")
        if verb == "restore":
            command.add_argument("--from", dest="source", type=Path, required=True, metavar="FILE")
    return parser


def run(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = load(chosen.config)
        logs.set_up(settings.log_level)
        status = _dispatch(chosen, settings)
    except (ConfigError, StartError, BackupError, TrustFileError) as error:
        print(f"chainwatch-collector: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


def _dispatch(chosen: argparse.Namespace, settings: Settings) -> int:
    if chosen.verb == "run":
        asyncio.run(_serve(settings))
        return 0
    if chosen.verb == "check":
        return run_checks(settings)
    if chosen.verb == "migrate":
        open_database(settings).dispose()
        print("the database's schema is up to date")
        return 0
    if chosen.verb == "backup":
        print(backup(settings, chosen.to))
        return 0
    lock = StateLock(settings.path(settings.state_dir))
    try:
        print(_new_ca(settings) if chosen.verb == "new-ca" else _restore(settings, chosen.source))
    finally:
        lock.release()
    return 0


def _new_ca(settings: Settings) -> str:
    """Made where it can be recorded: the database is opened first."""
    engine = open_database(settings)
    try:
        done = new_ca(settings)
        local_audit.record(engine, "new-ca", "CA", done)
    finally:
        engine.dispose()
    return done


def _restore(settings: Settings, source: Path) -> str:
    """The restored audit log ends where the copy was made, and says so."""
    done = restore(settings, source)
    try:
        engine = open_database(settings)
    except StartError as error:
        raise StartError(f"{done}; but it cannot be used: {error}") from None
    try:
        local_audit.record(engine, "restore", "database", done)
    finally:
        engine.dispose()
    return done


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Collector(settings, make_parts(settings)):
        # What is there now stays. A full collection that looks at it all holds the event loop for 100 ms and more.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        notify("READY=1")
        await stop.wait()
        notify("STOPPING=1")
