"""What the documents tell people to type exists, and what can be run here runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import pytest
from chainwatch_collector.cli.main import chainwatch
from chainwatch_collector.judge.catalogue import CATALOGUE, Entry
from chainwatch_collector.judge.messages import MESSAGES, Message
from chainwatch_collector.serve.settings import load
from smlog import Smlog

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = ("README.md", "docs/operating.md", "packaging/rpm/README.md")
BIN: Final = Path(sys.executable).parent
_FENCE: Final = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`([^`\n]+)`")
_TYPED: Final = re.compile(
    r"(?:^|[|;&(] *|\$ )"
    r"""((?:chainwatch|chainwatch-collector|chainwatch-agent) [a-z](?:'[^']*'|"[^"]*"|[^|;&)'"])*)"""
)
_OTHERS: Final = ("chainwatch-collector", "chainwatch-agent")


def blocks(document: str) -> list[str]:
    return _FENCE.findall((ROOT / document).read_text())


def typed_in(text: str) -> Iterator[str]:
    """Command lines of ours in a text, without comments."""
    for line in text.splitlines():
        for found in _TYPED.findall(line.partition("  #")[0].strip()):
            yield found.strip().rstrip("…").strip()


def typed() -> list[str]:
    """Every command line of ours in the documents and in the catalogue."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        pieces = [*blocks(document), *_INLINE.findall(text)]
        found.update((line, None) for piece in pieces for line in typed_in(piece))
    entries: list[Entry | Message] = [*CATALOGUE.values(), *MESSAGES.values()]
    for entry in entries:
        commands = [step.command for step in entry.steps if step.command]
        found.update((line, None) for piece in (*entry.look, *commands) for line in typed_in(piece))
    return list(found)


@pytest.mark.parametrize("line", [one for one in typed() if one.startswith("chainwatch ")])
def test_a_command_of_the_documents_exists_with_its_options(line: str) -> None:
    words = shlex.split(line.replace("{", "").replace("}", ""))[1:]
    command: click.Command = chainwatch
    context = click.Context(command, info_name="chainwatch")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            assert command.params, f"no such verb: {line}"
            break
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    known = {option for param in command.get_params(context) for option in (*param.opts, *param.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"} <= known, line
    given = _arguments(command, context, words)
    takes = [param for param in command.params if isinstance(param, click.Argument)]
    assert len(given) <= len(takes) or any(param.nargs == -1 for param in takes), f"{line}: it takes no {given}"


def _arguments(command: click.Command, context: click.Context, words: Sequence[str]) -> list[str]:
    """What is left when the options have taken their values."""
    takes = {o: p for p in command.get_params(context) if isinstance(p, click.Option) for o in p.opts}
    given, waiting = [], iter(words)
    for word in waiting:
        option = takes.get(word.partition("=")[0])
        if option is None:
            given.append(word)
        elif not option.is_flag and "=" not in word:
            next(waiting, None)
    return given


@pytest.mark.parametrize("line", [one for one in typed() if one.startswith(_OTHERS)])
def test_a_command_of_the_daemons_exists(line: str) -> None:
    program, verb = line.split()[:2]
    done = subprocess.run([BIN / program, verb, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    options = {word.partition("=")[0] for word in line.split() if word.startswith("--")}
    assert {option for option in options if option not in done.stdout} == set(), line


@pytest.mark.parametrize("line", [one for one in typed_in("\n".join(blocks("README.md"))) if " explain " in one])
def test_what_the_readme_explains_is_in_the_catalogue(line: str) -> None:
    done = subprocess.run([BIN / "chainwatch", *shlex.split(line)[1:]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Do" in done.stdout.splitlines()


def test_a_log_is_diagnosed_as_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "SMlog").write_bytes(b"\n".join(Smlog().start(100).chain(100).finish(100).lines) + b"\n")
    [line] = [one for one in typed_in("\n".join(blocks("README.md"))) if "diagnose /var/log/SMlog" in one]
    words = shlex.split(line.replace("/var/log", str(tmp_path)))
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configuration_of_the_documents_is_accepted(tmp_path: Path) -> None:
    pools = tmp_path / "pools.d"
    pools.mkdir()
    collector, prod = [], []
    for block in (*blocks("README.md"), *blocks("docs/operating.md")):
        if block.startswith("# /etc/chainwatch/collector.toml"):
            collector.append(block)
        elif block.startswith("# /etc/chainwatch/pools.d/prod.toml"):
            prod.append(block)
    (tmp_path / "collector.toml").write_text("\n".join(collector))
    (pools / "prod.toml").write_text("\n".join(prod))
    settings = load(tmp_path / "collector.toml")
    assert settings.rescan.enabled
    assert [one.name for one in settings.notify.webhook] == ["chat"]
    assert settings.pools[0].rescan_username


def test_every_link_inside_the_repository_leads_somewhere() -> None:
    broken = []
    for document in (*DOCUMENTS, "CONTRIBUTING.md", "proto/README.md", "CHANGELOG.md"):
        path = ROOT / document
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{document}: {target}")
    assert broken == []
