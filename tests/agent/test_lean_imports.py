"""The daemon without what it does not use; in processes of their own, for modules stay."""

import subprocess
import sys

from agent.estate import agent_environment

DAEMON = "with without_unused():\n    import chainwatch_agent.daemon\n"


def run(program: str) -> str:
    program = "import sys\nfrom chainwatch_agent.lean_imports import without_unused\n" + program
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.check_output(command, env=agent_environment(), timeout=60).decode("ascii").strip()


def test_the_daemon_has_none_of_it_and_whoever_wants_it_gets_it_later() -> None:
    unused = "{'ssl', '_ssl', '_bz2', '_lzma'}"
    said = run(DAEMON + "print(not " + unused + " & set(sys.modules))\nimport ssl\nprint(ssl.OPENSSL_VERSION)")
    assert said.startswith("True\n")
    assert "SSL" in said.splitlines()[1]


def test_an_ssl_that_is_there_stays() -> None:
    assert run("import ssl\n" + DAEMON + "print(sys.modules['ssl'] is ssl)") == "True"
