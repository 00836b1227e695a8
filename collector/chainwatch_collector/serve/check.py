"""`chainwatch-collector check`: would `run` work? One line per question, with the fix where the answer is no."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.inventory.dial import SecretError
from chainwatch_collector.inventory.tls import TrustError
from chainwatch_collector.keep.engine import open_bare
from chainwatch_collector.keep.migrate import current, head
from chainwatch_collector.notify.deliver import TokenError, read_token
from chainwatch_collector.notify.settings import ChannelSection
from chainwatch_collector.serve.settings import PoolSettings, Settings, TlsSection
from chainwatch_collector.serve.tls import trust_files
from chainwatch_collector.trust.expiry import expiry


class CheckFailedError(Exception):
    """What is wrong and the fix."""


def run_checks(settings: Settings, say: Callable[[str], None] = print) -> int:
    """Ask all, say each answer. 0 where all are well, 2 otherwise."""
    failed = 0
    for name, question in _questions(settings):
        try:
            say(f"ok     {name}: {question()}")
        except CheckFailedError as error:
            failed += 1
            say(f"error  {name}: {error}")
    return 2 if failed else 0


def _questions(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    path, ingest, web, files = settings.path, settings.ingest, settings.web, trust_files(settings)
    yield "configuration", lambda: f"{settings.source}, {len(settings.pools)} pools"
    yield "database", lambda: _database(settings)
    yield "CA", lambda: _own(files.ca, files.ca_key, settings.trust.ca)
    own = (files.server, files.server_key)
    yield "ingest certificate", lambda: _server(path, ingest, own)
    if ingest.client_ca:
        yield "client CA", lambda: _ca(path(ingest.client_ca))
    yield "ingest port", lambda: _port(ingest.listen)
    if web.tls:
        yield "web certificate", lambda: _server(path, web, own)
    yield "web port", lambda: _port(web.listen)
    for receiver in (*settings.notify.webhook, *settings.notify.alertmanager):
        yield f"notify {receiver.name}", lambda one=receiver: _receiver(path, one)  # type: ignore[misc]
    for pool in settings.pools:
        yield f"pool {pool.key}", lambda pool=pool: _pool(pool)  # type: ignore[misc]


def _database(settings: Settings) -> str:
    url = settings.database
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not file.exists():
            parent = next(p for p in file.parents if p.exists())
            if not os.access(parent, os.W_OK):
                raise CheckFailedError(f"{parent} is not writable: set state_dir to a directory of this user")
            return f"{shown}, not there yet: run makes it"
    engine = open_bare(url)
    try:
        revision = current(engine)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().split("\n", 1)[0]
        raise CheckFailedError(f"{shown}: {reason}; is the server up, and does database_url name it?") from None
    finally:
        engine.dispose()
    return f"{shown}, schema {revision or 'empty'}" + ("" if revision == head() else f", run migrates it to {head()}")


def _receiver(path: Callable[[str], Path], section: ChannelSection) -> str:
    """Its files; nothing is sent."""
    try:
        if section.token_file:
            read_token(path(section.token_file))
    except TokenError as error:
        raise CheckFailedError(str(error)) from None
    return f"{section.url}, not asked" + (_and_ca(path(section.ca_file)) if section.ca_file else "")


def _and_ca(ca_file: Path) -> str:
    return f", trusted by {_ca(ca_file)}"


def _server(path: Callable[[str], Path], section: TlsSection, own: tuple[Path, Path]) -> str:
    """The configured pair, else the collector's own."""
    if section.certificate:
        return _certificate(path(section.certificate), path(section.key))
    return _own(*own, "")


def _own(certificate: Path, key: Path, given: str) -> str:
    if not given and not certificate.exists() and not key.exists():
        return f"{certificate}, not there yet: run makes it"
    return _certificate(certificate, key)


def _certificate(certificate: Path, key: Path) -> str:
    loaded = _load(certificate)
    pem = _read(key)
    try:
        private = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise CheckFailedError(f"{key}: is no unencrypted PEM key") from None
    if _public_bytes(private.public_key()) != _public_bytes(loaded.public_key()):
        raise CheckFailedError(f"{key}: is not the key of {certificate}")
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        raise CheckFailedError(f"{key}: others may read it: chmod 600 {key}")
    return _validity(certificate, loaded)


def _ca(path: Path) -> str:
    return _validity(path, _load(path))


def _validity(path: Path, loaded: x509.Certificate) -> str:
    until, now = loaded.not_valid_after_utc, datetime.now(UTC)
    if until < now:
        raise CheckFailedError(f"{path}: expired on {until:%Y-%m-%d}: issue a new one")
    soon = expiry("", path, True, loaded).standing(now) != "ok"
    warning = f", {(until - now).days} days left: renew it" if soon else ""
    return f"{path}, valid until {until:%Y-%m-%d}{warning}"


def _public_bytes(key: object) -> bytes:
    encode = getattr(key, "public_bytes")  # noqa: B009 - the union of key types has no common base with it
    encoded: bytes = encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError:
        raise CheckFailedError(f"{path}: is no PEM certificate") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckFailedError(f"{path}: {error.strerror}: write it there or set its path") from None


def _port(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise CheckFailedError(f"{listen}: {error.strerror}: is a collector running, or set listen") from None
    return f"{listen} is free"


def _pool(pool: PoolSettings) -> str:
    try:
        pool.password()
        pool.trust().context()
    except (SecretError, TrustError) as error:
        raise CheckFailedError(str(error)) from None
    return f"{', '.join(pool.addresses)} as {pool.username}"
