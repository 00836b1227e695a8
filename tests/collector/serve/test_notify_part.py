"""Notifications of a collector over real HTTP: once each, in order, through outages of the receiver and restarts."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.judge.answer import Answer, Finding
from chainwatch_collector.live.board import Board
from chainwatch_collector.serve import notify_part
from chainwatch_collector.serve.composition import Collector, StartError
from chainwatch_collector.serve.notify_part import NotifyPart
from chainwatch_collector.serve.settings import ConfigError, Settings, load
from chainwatch_collector.show.changes import ChangeHub
from collector.notify.findings import AT, POOL, finding
from collector.notify.receiver import HookServer, hook_server
from lab.pki import Pki

PATIENCE_SECONDS = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_part, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(notify_part, "pause_seconds", lambda tries: 0.05)


def configured(directory: Path, channels: str, wait_seconds: float = 0) -> Settings:
    pki = Pki(directory / "pki")
    server = pki.server()
    (directory / "collector.toml").write_text(
        f'state_dir = "state"\n[ingest]\nlisten = "127.0.0.1:0"\ncertificate = "{server.certificate}"\n'
        f'key = "{server.key}"\nclient_ca = "{pki.ca}"\n[notify]\nwait_seconds = {wait_seconds}\n{channels}'
    )
    return load(directory / "collector.toml")


def chat(hook: HookServer, more: str = "") -> str:
    return f'[[notify.webhook]]\nname = "chat"\nurl = "{hook.url}/hook"\n{more}'


def judged(board: Board, *findings: Finding) -> None:
    """The judge's newest word."""
    board.judged(Judged(POOL, AT, Answer(findings=findings), None))


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.01)


async def test_an_incident_is_told_once_with_its_effects_and_then_that_it_is_over(tmp_path: Path) -> None:
    with hook_server() as hook:
        settings, board = configured(tmp_path, chat(hook)), Board(ChangeHub())
        async with Collector(settings, [NotifyPart(board, settings.notify)]):
            effect = finding("COALESCE_NO_SPACE", because=("SR_FULL-1",))
            judged(board, finding("SR_FULL"), effect)
            await until(lambda: hook.events() == [("raised", "SR_FULL")])
            judged(board, replace(finding("SR_FULL"), count=2), effect)
            judged(board)
            await until(lambda: hook.events() == [("raised", "SR_FULL"), ("resolved", "SR_FULL")])
        assert hook.received[0].body["incident"]["effects"][0]["code"] == "COALESCE_NO_SPACE"
        assert hook.received[0].path == "/hook"


async def test_what_could_not_be_delivered_is_delivered_after_a_restart_in_order(tmp_path: Path) -> None:
    with hook_server() as hook:
        settings, board = configured(tmp_path, chat(hook)), Board(ChangeHub())
        hook.answer = 503
        part = NotifyPart(board, settings.notify)
        async with Collector(settings, [part]):
            judged(board, finding("SR_FULL", "warning"))
            await until(lambda: hook.refused > 1)
            assert "503" in part.checks()[0].detail
            judged(board, finding("SR_FULL"))
            await until(lambda: part.counters()["chainwatch_notifications_waiting"] == 2)
        assert hook.received == []
        hook.answer = 200
        again = Board(ChangeHub())
        part = NotifyPart(again, settings.notify)
        async with Collector(settings, [part]):
            await until(lambda: hook.events() == [("raised", "SR_FULL"), ("worse", "SR_FULL")])
            judged(again, finding("SR_FULL"))
            judged(again)
            await until(lambda: len(hook.received) == 3)
            assert part.checks()[0].status == "ok"
        assert hook.events()[2] == ("resolved", "SR_FULL")
        assert len({one.headers["Idempotency-Key"] for one in hook.received}) == 3


async def test_a_restart_alone_tells_nothing_anew(tmp_path: Path) -> None:
    with hook_server() as hook:
        settings = configured(tmp_path, chat(hook))
        for number, codes in enumerate((("SR_FULL",), ("SR_FULL", "GC_STUCK")), start=1):
            board = Board(ChangeHub())
            async with Collector(settings, [NotifyPart(board, settings.notify)]):
                judged(board, *(finding(code) for code in codes))
                await until(lambda wanted=number: len(hook.received) == wanted)  # type: ignore[misc]  # mypy cannot infer it
        assert hook.events() == [("raised", "SR_FULL"), ("raised", "GC_STUCK")]


async def test_incidents_of_a_pool_that_is_not_watched_any_more_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hook_server() as hook:
        settings, board = configured(tmp_path, chat(hook)), Board(ChangeHub())
        async with Collector(settings, [NotifyPart(board, settings.notify)]):
            judged(board, finding("SR_FULL"))
            await until(lambda: hook.events() == [("raised", "SR_FULL")])
        monkeypatch.setattr(notify_part, "GONE_AFTER", timedelta(0))
        async with Collector(settings, [NotifyPart(Board(ChangeHub()), settings.notify)]):
            await until(lambda: hook.events()[-1] == ("resolved", "SR_FULL"))
        assert hook.received[-1].body["why"] == "its pool is not watched any more"


async def test_a_message_that_is_refused_for_good_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    with hook_server() as hook:
        settings, board = configured(tmp_path, chat(hook)), Board(ChangeHub())
        hook.answer = 400
        part = NotifyPart(board, settings.notify)
        async with Collector(settings, [part]):
            judged(board, finding("SR_FULL"))
            await until(lambda: part.counters()["chainwatch_notifications_given_up_total"] == 1)
            hook.answer = 200
            judged(board, finding("SR_FULL"), finding("GC_STUCK"))
            await until(lambda: hook.events() == [("raised", "GC_STUCK")])


async def test_an_alertmanager_gets_v2_alerts_and_hears_again_of_what_still_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_part, "REPEAT_SECONDS", 0.05)
    with hook_server() as hook:
        channel = f'[[notify.alertmanager]]\nname = "am"\nurl = "{hook.url}/"\n'
        settings, board = configured(tmp_path, channel), Board(ChangeHub())
        async with Collector(settings, [NotifyPart(board, settings.notify)]):
            judged(board, finding("SR_FULL"))
            await until(lambda: len(hook.received) > 3)
            judged(board)
            await until(lambda: hook.received[-1].body[0]["endsAt"] < hook.received[0].body[0]["endsAt"])
        first, last = hook.received[0], hook.received[-1]
        assert first.path == "/api/v2/alerts"
        assert first.body[0]["labels"] == last.body[0]["labels"]
        assert first.body[0]["labels"]["alertname"] == "ChainwatchSrFull"


async def test_each_channel_hears_of_its_pools_and_severities_with_its_own_token(tmp_path: Path) -> None:
    with hook_server() as hook, hook_server() as other:
        (tmp_path / "chat.token").write_text("abc123\n")
        (tmp_path / "chat.token").chmod(0o600)
        wanted = chat(hook, f'token_file = "chat.token"\nmin_severity = "error"\npools = ["{POOL}"]\n')
        wanted += f'[[notify.webhook]]\nname = "else"\nurl = "{other.url}"\npools = ["another"]\n'
        settings, board = configured(tmp_path, wanted), Board(ChangeHub())
        async with Collector(settings, [NotifyPart(board, settings.notify)]):
            judged(board, finding("SR_SPACE_LOW", "warning"), finding("SR_FULL"))
            await until(lambda: hook.events() == [("raised", "SR_FULL")])
        assert hook.received[0].headers["Authorization"] == "Bearer abc123"
        assert other.received == []


async def test_a_token_that_others_may_read_is_not_used_and_said(tmp_path: Path) -> None:
    with hook_server() as hook:
        (tmp_path / "chat.token").write_text("abc123\n")
        (tmp_path / "chat.token").chmod(0o644)
        settings, board = configured(tmp_path, chat(hook, 'token_file = "chat.token"\n')), Board(ChangeHub())
        part = NotifyPart(board, settings.notify)
        async with Collector(settings, [part]):
            judged(board, finding("SR_FULL"))
            await until(lambda: "chmod 600" in part.checks()[0].detail)
        assert hook.received == []


async def test_a_ca_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    channel = '[[notify.webhook]]\nname = "chat"\nurl = "https://chat.example"\nca_file = "no.pem"\n'
    settings = configured(tmp_path, channel)
    with pytest.raises(StartError, match=r"notify chat: .*no\.pem"):
        await Collector(settings, [NotifyPart(Board(ChangeHub()), settings.notify)]).__aenter__()


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ('[[notify.webhook]]\nname = "a b"\nurl = "http://x"\n', "name"),
        ('[[notify.webhook]]\nname = "a"\nurl = "ftp://x"\n', "write http:// or https://"),
        ('[[notify.webhook]]\nname = "a"\nurl = "http://me:secret@x"\n', "a secret belongs into token_file"),
        ('[[notify.webhook]]\nname = "a"\nurl = "http://x"\n' * 2, "names two receivers"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_in_a_line(tmp_path: Path, channel: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        configured(tmp_path, channel)
