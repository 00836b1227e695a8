"""Certificates that change under a running collector, seen by real TLS clients of all its ports."""

import asyncio
import http.client
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.live.board import Board
from chainwatch_collector.serve.certificates_part import CertificatesPart
from chainwatch_collector.serve.composition import Collector, Core
from chainwatch_collector.serve.settings import load
from chainwatch_collector.serve.web_part import WebPart
from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.views import Check
from chainwatch_collector.trust.authority import Authority, request_of
from collector.trust.requests import csr
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from free_ports import free_port
from lab.pki import Identity, Pki
from lab.wire import connect, file_seen, key_of, span

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
LOG = b"".join(b"Nov 24 10:00:%02d xcp-1 SMGC: [123] line %d\n" % (n, n) for n in range(10))


@dataclass
class Running:
    """A collector in this event loop; `now` is what its certificates go by."""

    directory: Path
    core: Core
    part: CertificatesPart
    ingest_port: int
    web_port: int
    clock: "Clock"
    identity: Identity
    ca: Path

    def shown(self, port: int, protocol: str) -> bytes:
        """The certificate that a new client of the port is shown, DER."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.identity.certificate, self.identity.key)
        context.set_alpn_protocols([protocol])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as secured,
        ):
            found = secured.getpeercert(binary_form=True)
        assert found is not None
        return found

    async def all_shown(self) -> tuple[bytes, ...]:
        """Of ingest, web, and the QueryService behind the web port."""
        ports = ((self.ingest_port, "h2"), (self.web_port, "http/1.1"), (self.web_port, "h2"))
        return tuple([await asyncio.to_thread(self.shown, *one) for one in ports])

    async def other_shown(self, than: bytes) -> bytes:
        """The one that all ports show, as soon as none shows that one any more."""
        async with asyncio.timeout(30):
            while than in (found := await self.all_shown()) or len(set(found)) > 1:
                await asyncio.sleep(0.05)
        return found[0]

    async def told(self, what: Callable[[Check], bool]) -> Check:
        """What readiness says of certificates, as soon as that is so."""
        async with asyncio.timeout(30):
            while not what(self.part.checks()[0]):
                await asyncio.sleep(0.02)
        return self.part.checks()[0]


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def running(directory: Path, now: datetime, ingest: str = "", web: str = "", pki: Pki | None = None) -> AsyncIterator[Running]:  # fmt: skip  # noqa: E501
    """`ingest`, `web`: more of those sections; `pki`: whose host certificate the clients show."""
    ingest_port, web_port, clock = free_port(), free_port(), Clock(now)
    config = directory / "collector.toml"
    config.write_text(
        f'state_dir = "state"\n[ingest]\nlisten = "127.0.0.1:{ingest_port}"\n{ingest}\n'
        f'[web]\nlisten = "127.0.0.1:{web_port}"\n{web}\n'
    )
    web_part = WebPart(Board(ChangeHub()), Thresholds())
    part = CertificatesPart(web_part.certificates_changed, 0.05, clock)
    async with Collector(load(config), (part, web_part), clock) as core:
        ca = pki.ca if pki is not None else directory / "state/tls/ca.pem"
        identity = pki.host(HOST) if pki is not None else issued_by(core.tls.authority, directory)
        yield Running(directory, core, part, ingest_port, web_port, clock, identity, ca)


def issued_by(authority: Authority, directory: Path) -> Identity:
    """A host certificate of the collector's own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    issued = authority.host_certificate(request_of(csr(key)), HOST, datetime.now(UTC), 90)
    made = Identity(directory / "host.pem", directory / "host.key")
    made.certificate.write_bytes(issued.pem)
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


async def test_the_own_certificate_is_renewed_and_nobody_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    today = datetime.now(UTC)
    caplog.set_level(logging.INFO)
    async with running(tmp_path, today - timedelta(days=270)) as one:
        before = await one.all_shown()
        assert len(set(before)) == 1
        kept = await asyncio.to_thread(kept_connection, one)
        async with connect(one.ingest_port, one.ca, one.identity) as wire:
            epoch = (await wire.welcome()).stream_epoch
            one.clock.now = today - timedelta(days=10)  # 137 of 397 days left: more than a third
            await asyncio.sleep(0.3)
            assert await one.all_shown() == before
            one.clock.now = today
            after = x509.load_der_x509_certificate(await one.other_shown(before[0]))
            assert after.not_valid_after_utc.date() == (one.clock.now + timedelta(days=397)).date()
            # The stream and the connection from before go on.
            await wire.send(file_seen=file_seen(LOG))
            await wire.send(span=span(LOG, 0, len(LOG)))
            await wire.acked_to(key_of(LOG), len(LOG))
            assert one.core.ingest.held == {HOST: epoch}
            assert await asyncio.to_thread(get, kept, "/healthz") == 200
            kept.close()
        ends = one.part.counters()["chainwatch_ingest_certificate_expiry_timestamp_seconds"]
        assert ends == after.not_valid_after_utc.timestamp()
        assert [check.status for check in one.part.checks()] == ["ok"]
        (said,) = [line for line in caplog.messages if line.startswith("new: ingest certificate")]
        assert said.endswith("397 days left")


def kept_connection(one: Running) -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection(
        "localhost", one.web_port, context=ssl.create_default_context(cafile=str(one.ca)), timeout=20
    )
    connection.connect()
    return connection


def get(connection: http.client.HTTPSConnection, path: str) -> int:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


async def test_given_files_are_read_again_and_half_of_a_pair_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pki = Pki(tmp_path / "pki")
    server = pki.server()
    section = f'certificate = "{server.certificate}"\nkey = "{server.key}"\n'
    async with running(
        tmp_path, datetime.now(UTC), f'{section}client_ca = "{pki.ca}"\n', section, pki
    ) as one, connect(one.ingest_port, one.ca, one.identity) as wire:  # fmt: skip
        await wire.welcome()
        first = (await one.all_shown())[0]
        key = server.key.read_bytes()
        pki.server()  # the same files, written anew
        fresh = server.key.read_bytes()
        second = await one.other_shown(first)
        server.key.write_bytes(key)
        told = await one.told(lambda check: check.status == "warning")
        assert "are no PEM certificate and its unencrypted key; those before stay in force" in told.detail
        assert set(await one.all_shown()) == {second}
        server.key.write_bytes(fresh)
        await one.told(lambda check: check.status == "ok")
        server.certificate.unlink()
        assert "No such file" in (await one.told(lambda check: check.status == "warning")).detail
        pki.server()
        assert await one.other_shown(second) != first
        await one.told(lambda check: check.status == "ok")
        assert len([line for line in caplog.messages if "those before stay in force" in line]) == 2
        # The stream from before all this goes on.
        await wire.send(file_seen=file_seen(LOG))
        await wire.send(span=span(LOG, 0, len(LOG)))
        await wire.acked_to(key_of(LOG), len(LOG))
        # 30 days of life: soon is when less than a fifth is left.
        one.clock.now = datetime.now(UTC) + timedelta(days=25)
        told = await one.told(lambda check: check.status == "warning")
        assert "5 days left: put a new one and its key into the files" in told.detail
        await logged(caplog, "days left: put a new one")
        one.clock.now += timedelta(days=6)
        assert "ended on" in (await one.told(lambda check: check.status == "error")).detail
        await logged(caplog, "ended on")


async def logged(caplog: pytest.LogCaptureFixture, part: str) -> None:
    """The web certificate's end is a warning in the log, once."""
    async with asyncio.timeout(30):
        while not (found := [one for one in caplog.messages if one.startswith("web certificate") and part in one]):
            await asyncio.sleep(0.02)
    assert len(found) == 1


async def test_a_ca_that_vanishes_is_not_made_anew(tmp_path: Path) -> None:
    async with running(tmp_path, datetime.now(UTC)) as one:
        before = await one.all_shown()
        ca = tmp_path / "state/tls/ca.pem"
        pem = ca.read_bytes()
        ca.unlink()
        (tmp_path / "state/tls/ca.key").rename(tmp_path / "elsewhere")
        told = await one.told(lambda check: check.status == "warning")
        assert "is gone: put it back" in told.detail
        assert not ca.exists()
        ca.write_bytes(pem)
        (tmp_path / "elsewhere").rename(tmp_path / "state/tls/ca.key")
        await one.told(lambda check: check.status == "ok")
        assert await one.all_shown() == before


async def test_a_ca_that_ends_rolls_over_and_both_kinds_of_agents_come_in(tmp_path: Path) -> None:
    """While the collector runs: the old CA's certificate is shown on, the new one signs, both are trusted."""
    today = datetime.now(UTC)
    async with running(tmp_path, today - timedelta(days=3400)) as one:
        old = one.core.tls.authority
        one.clock.now = today
        async with asyncio.timeout(30):
            while (
                one.core.tls.authority.fingerprint == old.fingerprint
                or one.core.identities.ca_pem() == old.bundle_pem.decode()
            ):
                await asyncio.sleep(0.05)
        assert one.core.tls.authority.bundle[1:] == old.bundle
        for directory, maker in (("old", old), ("new", one.core.tls.authority)):
            (tmp_path / directory).mkdir()
            identity = issued_by(maker, tmp_path / directory)
            async with connect(one.ingest_port, one.ca, identity) as wire:
                await wire.welcome()
