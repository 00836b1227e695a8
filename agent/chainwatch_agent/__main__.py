"""`chainwatch-agent run|check|select|enroll|renew`. Exit: 0, 2 for an error, 64 for wrong usage."""

import argparse
import io
import sys
from typing import NoReturn, Optional, Sequence

from chainwatch_agent.config import DEFAULT_CONFIG, ConfigError, load
from chainwatch_agent.lean_imports import without_unused
from chainwatch_agent.log import stderr_log
from chainwatch_agent.select_command import SelectError, select_files


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Usage errors exit 64."""
        self.print_usage(sys.stderr)
        sys.stderr.write("{}: {}\n".format(self.prog, message))
        sys.exit(64)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="chainwatch-agent", description="The part of chainwatch that runs in dom0.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)
    helps = {
        "run": "follow the logs and ship them, until SIGTERM",
        "check": "say whether run would work, and what to do where it would not",
    }
    for verb, text in sorted(helps.items()):
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument("--config", default=DEFAULT_CONFIG, metavar="F", help="default " + DEFAULT_CONFIG)
    text = "get a certificate for this host, with a token that chainwatch agent enroll made"
    command = verbs.add_parser("enroll", help=text, description=text)
    command.add_argument("--config", default=DEFAULT_CONFIG, metavar="F", help="default " + DEFAULT_CONFIG)
    command.add_argument("--collector", required=True, metavar="HOST:PORT", help="the collector's web port, 8443")
    command.add_argument("--token-file", required=True, metavar="F", help="a file with the token; - is stdin")
    text = "renew this host's certificate where a third of its life is left"
    command = verbs.add_parser("renew", help=text, description=text)
    command.add_argument("--config", default=DEFAULT_CONFIG, metavar="F", help="default " + DEFAULT_CONFIG)
    command.add_argument("--now", action="store_true", help="however long it is good")
    text = "print what would be shipped of these logs; reads nothing else and sends nothing"
    command = verbs.add_parser("select", help=text, description=text)
    command.add_argument("--json", action="store_true", help="one JSON object a line: file, offset, text")
    command.add_argument("files", nargs="+", metavar="FILE", help="a log, plain or .gz; - is stdin")
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a command; the exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.verb is None:
        parser.error("name one of run, check, select, enroll, renew")
    try:
        if chosen.verb == "select":
            return select_files(chosen.files, chosen.json, sys.stdout.buffer)
        if chosen.verb in ("enroll", "renew"):
            return _identify(chosen)
        settings = load(chosen.config)
        if chosen.verb == "check":
            # Here and below: grpc is loaded only by what needs it.
            from chainwatch_agent.check import check

            return check(settings, sys.stdout.buffer)
        with without_unused():
            from chainwatch_agent.daemon import run_daemon
        return run_daemon(chosen.config, settings, stderr_log())
    except (ConfigError, SelectError) as error:
        sys.stderr.buffer.write("chainwatch-agent: {}\n".format(error).encode("utf-8", "replace"))
        return 2
    except BrokenPipeError:
        # `select … | head`: who reads has had enough.
        sys.stdout = io.TextIOWrapper(io.BytesIO())
        return 0


def _identify(chosen: argparse.Namespace) -> int:
    """Get or renew the certificate. Every refusal is one line."""
    from chainwatch_agent.collector_web import WebError
    from chainwatch_agent.enroll import EnrollError, enroll
    from chainwatch_agent.openssl import OpensslError
    from chainwatch_agent.renew import renew
    from chainwatch_agent.tls_files import TlsFileError

    try:
        if chosen.verb == "enroll":
            settings = load(chosen.config, enrolled=False)
            return enroll(chosen.config, settings, chosen.collector, chosen.token_file, sys.stdout.buffer)
        return renew(load(chosen.config), chosen.now, sys.stdout.buffer)
    except (EnrollError, WebError, OpensslError, TlsFileError, OSError) as error:
        sys.stderr.buffer.write("chainwatch-agent: {}\n".format(error).encode("utf-8", "replace"))
        return 2


def run() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
