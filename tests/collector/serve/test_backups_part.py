"""Backups in a collector: what is configured is looked at over all pools and told to the fold."""

import asyncio
from pathlib import Path

import pytest
from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.live.board import Board
from chainwatch_collector.serve.backups_part import BackupsPart
from chainwatch_collector.serve.composition import Collector
from chainwatch_collector.serve.settings import ConfigError, Settings, load
from chainwatch_collector.show.changes import ChangeHub
from collector.backups.test_xo_rest import TOKEN, Orchestra, url
from collector.backups.test_xo_rest import orchestra as orchestra
from collector.judge.scene import POOL_UUID, a_picture, a_vm, disk
from lab.pki import Pki
from smlog import C

OTHER = "0770e400-0000-4000-8000-000000000002"
JOB = """
[[job]]
name = "declared"
pattern = { power_state = "Halted", tags = ["prod"] }
schedule = "30 1 * * *"
timezone = "Europe/Paris"
"""


def configured(directory: Path, text: str) -> Settings:
    pki = Pki(directory / "pki")
    server = pki.server()
    (directory / "collector.toml").write_text(
        f'state_dir = "state"\n[ingest]\nlisten = "127.0.0.1:0"\ncertificate = "{server.certificate}"\n'
        f'key = "{server.key}"\nclient_ca = "{pki.ca}"\n{text}'
    )
    return load(directory / "collector.toml")


class Told:
    def __init__(self) -> None:
        self.board = Board(ChangeHub())
        guest = a_vm("eeeeeee5-0000-4000-8000-000000000005", power_state="Running", tags=("prod",))
        self.board.pictured(POOL_UUID, a_picture((disk(C),), vms={guest.ref: guest}))
        self.news: dict[str, BackupNews] = {}
        self.part = BackupsPart(self.board, self.news.__setitem__, look_seconds=3600)


async def test_declared_jobs_are_told_to_each_pool(tmp_path: Path) -> None:
    told = Told()
    path = f'target_path = "{tmp_path}"\n'
    async with Collector(configured(tmp_path, JOB + path), [told.part]):
        await told.part.look()
        (job,) = told.news[POOL_UUID].jobs
        assert (job.name, job.total, job.home) == ("declared", 0, True)
        assert "clause power_state" in job.empty
        assert job.next_at is not None
        assert job.targets[0].free_bytes
        assert told.part.checks() == ()
        assert told.news[POOL_UUID].jobs_known


async def test_xen_orchestras_jobs_are_told_too(tmp_path: Path, orchestra: Orchestra) -> None:
    told = Told()
    (tmp_path / "xo.token").write_text(f"{TOKEN}\n")
    section = f'[xen_orchestra]\nurl = "{url(orchestra)}"\ntoken_file = "xo.token"\n'
    async with Collector(configured(tmp_path, JOB + section), [told.part]):
        await told.part.look()
        declared, nightly = told.news[POOL_UUID].jobs
        assert (declared.name, nightly.name) == ("declared", "nightly")
        assert nightly.empty.startswith("Xen Orchestra is not connected to pool 'prod'")
        assert [check.status for check in told.part.checks()] == ["ok"]
        assert told.news[POOL_UUID].jobs_known


async def test_xen_orchestra_that_does_not_answer_is_said(tmp_path: Path, orchestra: Orchestra) -> None:
    told = Told()
    orchestra.status = 500
    (tmp_path / "xo.token").write_text(TOKEN)
    section = f'[xen_orchestra]\nurl = "{url(orchestra)}"\ntoken_file = "xo.token"\n'
    async with Collector(configured(tmp_path, section), [told.part]):
        await told.part.look()
        (check,) = told.part.checks()
        assert (check.status, TOKEN in check.detail) == ("warning", False)
        assert not told.news[POOL_UUID].jobs_known


async def test_a_pool_that_answers_later_than_the_first_is_not_left_for_the_next_look(tmp_path: Path) -> None:
    told = Told()
    pools = tmp_path / "pools.d"
    pools.mkdir()
    (pools / "x.pw").write_text("secret")
    (pools / "x.pw").chmod(0o600)
    for name in ("one", "two"):
        (pools / f"{name}.toml").write_text(
            f'addresses = ["{name}.example"]\nusername = "reader"\npassword_file = "x.pw"\ninsecure = true\n'
        )
    async with asyncio.timeout(30), Collector(configured(tmp_path, JOB), [told.part]):
        while POOL_UUID not in told.news:
            await asyncio.sleep(0.01)
        told.board.pictured(OTHER, a_picture((disk(C),)))
        while OTHER not in told.news:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (JOB.replace("30 1 * * *", "30 1 * *"), "five fields"),
        (JOB.replace("Europe/Paris", "Europe/Nowhere"), "timezone"),
        (JOB.replace('["prod"]', '{ __or = "prod" }'), "__or takes a list"),
        (JOB + 'mode = "replication"\n', "target_sr"),
        (JOB + 'target_path = "mnt/backups"\n', "absolute"),
        (JOB + 'colour = "red"\n', "colour"),
        ('[xen_orchestra]\nurl = "xo.example"\ntoken_file = "t"\n', "url"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, text)
