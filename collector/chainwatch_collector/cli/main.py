"""The `chainwatch` command: a group that loads one module per verb, and only the one that was typed.

A verb lives in `cli/<verb>.py` (dashes as underscores) and exports a click command named `command`.
"""

import importlib
import importlib.util
import os
import sys
from typing import Final

import click

from chainwatch_collector.cli.errors import CliError

USAGE_EXIT: Final = 64
"""Usage errors. Click's own 2 would read as `error` (interfaces.md section 1)."""

VERBS: Final[dict[str, str]] = {
    "status": "one screen: pools, storage repositories, agents, worst first",
    "health": "what is wrong now; its exit code is the worst severity",
    "why": "the troubleshooting page of an SR, VDI or VM, executed",
    "explain": "a health code or a pasted message: what it means, what to do",
    "sr": "storage repositories: list, or one in detail",
    "chain": "chains of disks: list the deepest, or draw one as a tree",
    "coalesce": "merges running and finished: progress, rate, outcome",
    "events": "the evidence: log lines and what they mean",
    "tasks": "XenAPI tasks and whether they move",
    "agent": "agents in dom0: list, show, enroll, revoke",
    "pool": "pools: list, test, dump the inventory, add, remove",
    "verdict": "may this VM be snapshot or backed up now",
    "forecast": "when a chain reaches its limit, an SR fills, a backlog clears",
    "mute": "silence a code for a while, visibly",
    "unmute": "end a mute",
    "rescan": "ask SM to scan an SR, after its prechecks",
    "report": "one redacted file for a storage engineer",
    "watch": "the status screen, refreshing",
    "login": "remember the collector's address and a token",
    "user": "the collector's accounts: list, add, set, password",
    "token": "tokens: list, add, revoke",
    "audit": "who changed or tried to change what",
    "diagnose": "SMlogs or a support bundle, offline",
    "completion": "print the shell completion script",
}


class VerbGroup(click.Group):
    """Knows its verbs by name and imports a verb's module when it is typed: `--help` and errors stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verb in VERBS if importlib.util.find_spec(_module_of(verb)) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS or importlib.util.find_spec(_module_of(cmd_name)) is None:
            return None
        command: click.Command = importlib.import_module(_module_of(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb]) for verb in self.list_commands(ctx)])


def _module_of(verb: str) -> str:
    return f"chainwatch_collector.cli.{verb.replace('-', '_')}"


EPILOG: Final = """\b
Examples:
  chainwatch status
  chainwatch why nfs-prod-1
  chainwatch health --detail
  chainwatch diagnose /var/log/SMlog
\b
Exit: 0 healthy (info counts as 0), 1 warning, 2 error, 3 unknown, 64 usage.
CHAINWATCH_URL and CHAINWATCH_TOKEN win over ~/.config/chainwatch/cli.toml."""


@click.group(cls=VerbGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chainwatch", message="chainwatch %(version)s")
def chainwatch() -> None:
    """Is coalesce keeping up on every storage repository; if not, why; and what is safe to do next."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code; errors are one line on stderr, never a traceback."""
    click.UsageError.exit_code = USAGE_EXIT
    try:
        result = chainwatch.main(args=arguments, prog_name="chainwatch", standalone_mode=False)
    except CliError as error:
        click.echo(error.render(), err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except BrokenPipeError:
        # The reader (`head`, a pager) went away; Python must not complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))
