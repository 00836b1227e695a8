"""The certificates of a collector that runs: renewed before they end, read again where their files changed.

New connections get the new ones; those that are open keep theirs. A file that cannot be used leaves the last good ones
in force and is said to be wrong until it is mended.
"""

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from chainwatch_collector.receive.server import Newer, Pem
from chainwatch_collector.serve.settings import Settings
from chainwatch_collector.serve.tls import Tls, open_tls, trust_files
from chainwatch_collector.trust.authority import Authority
from chainwatch_collector.trust.expiry import Expiry, expiry
from chainwatch_collector.trust.files import TrustFileError, read_certificate

LOG = logging.getLogger(__name__)
RENEWAL: Final = timedelta(days=1)
"""So often it is looked whether a third of a life is left."""
Mark = tuple[int, int, int] | None


@dataclass(frozen=True)
class _Loaded:
    """What is in force. `marks`: of the files as they were when they were read."""

    tls: Tls
    ingest: Pem
    web: Pem | None
    expiries: tuple[Expiry, ...]
    marks: dict[Path, Mark]


class LiveTls:
    """`look` may be called in any one thread; everything else only reads. Making one raises `TrustFileError`."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self._loaded = self._load()
        self._renewal_due = clock() + RENEWAL
        self.problem = ""
        self._say(None)

    @property
    def authority(self) -> Authority:
        """Who signs now."""
        return self._loaded.tls.authority

    @property
    def tls(self) -> Tls:
        """The files in use."""
        return self._loaded.tls

    @property
    def expiries(self) -> tuple[Expiry, ...]:
        """Of everything that is shown, signed with, or trusted for agents."""
        return self._loaded.expiries

    def anchor(self) -> str:
        """SHA-256 of what an agent knows the web port by."""
        return self._loaded.tls.anchor()

    def newer_ingest(self) -> Newer:
        """For a server that was made with what is in force now."""
        return _newer(lambda: self._loaded.ingest)

    def newer_web(self) -> Newer:
        """Likewise."""
        return _newer(lambda: self._loaded.web)

    def look(self) -> bool:
        """Renew what is due, read what changed; whether other certificates are in force now."""
        due = self._clock() >= self._renewal_due
        if not due and _marks(self._loaded.tls, self._settings) == self._loaded.marks:
            self.problem = ""
            return False
        before = self._loaded
        try:
            self._check_present()
            self._loaded = self._load()
        except TrustFileError as error:
            if str(error) != self.problem:
                LOG.error("certificates: %s; those before stay in force", error)
            self.problem = str(error)
            return False
        self._renewal_due, self.problem = self._clock() + RENEWAL, ""
        self._say(before)
        return (self._loaded.ingest, self._loaded.web) != (before.ingest, before.web)

    def _check_present(self) -> None:
        """A start makes a CA where there is none. While it runs that would lock every agent out."""
        files = trust_files(self._settings)
        for path in (files.ca, files.ca_key):
            if not path.exists():
                raise TrustFileError(f"{path}: is gone: put it back, or restore it from a backup")

    def _load(self) -> _Loaded:
        tls = open_tls(self._settings, self._clock())
        marks = _marks(tls, self._settings)
        ingest = _pem(tls.ingest.certificate, tls.ingest.key, tls.ingest.client_ca)
        web = _pem(*tls.web) if tls.web is not None else None
        return _Loaded(tls, ingest, web, _expiries(tls, self._settings), marks)

    def _say(self, before: _Loaded | None) -> None:
        now = self._clock()
        known = {(one.name, one.ends) for one in before.expiries} if before is not None else set()
        for one in self._loaded.expiries:
            if (one.name, one.ends) not in known:
                LOG.info("%s%s", "new: " if before is not None else "", one.sentence(now))


def _newer(current: Callable[[], Pem | None]) -> Newer:
    given = [current()]

    def newer() -> Pem | None:
        pem = current()
        if pem == given[0]:
            return None
        given[0] = pem
        return pem

    return newer


def _pem(certificate: Path, key: Path, client_ca: Path | None = None) -> Pem:
    """Read, and proved to be a pair. Raises `TrustFileError`."""
    try:
        pem = Pem(key.read_bytes(), certificate.read_bytes(), client_ca.read_bytes() if client_ca else None)
    except OSError as error:
        raise TrustFileError(f"{error.filename}: {error.strerror}: write it there or set its path") from None
    try:
        # An encrypted key asks for a password, on the terminal if nobody else answers.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError, ValueError):
        raise TrustFileError(f"{certificate}, {key}: are no PEM certificate and its unencrypted key") from None
    if client_ca is not None:
        read_certificate(client_ca)
    return pem


def _watched(tls: Tls, settings: Settings) -> set[Path]:
    files = trust_files(settings)
    return {files.ca, files.ca_key, tls.ingest.certificate, tls.ingest.key, tls.ingest.client_ca, *(tls.web or ())}


def _marks(tls: Tls, settings: Settings) -> dict[Path, Mark]:
    """What changes when a file is written or replaced; None where it is gone."""
    return {path: _mark(path) for path in _watched(tls, settings)}


def _mark(path: Path) -> Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _expiries(tls: Tls, settings: Settings) -> tuple[Expiry, ...]:
    """Raises `TrustFileError`."""
    found = [
        expiry(
            "ingest",
            tls.ingest.certificate,
            bool(settings.ingest.certificate),
            read_certificate(tls.ingest.certificate),
        )
    ]
    if tls.web is not None:
        found.append(expiry("web", tls.web[0], bool(settings.web.certificate), read_certificate(tls.web[0])))
    files = trust_files(settings)
    found.append(expiry("CA", files.ca, bool(settings.trust.ca), tls.authority.certificate))
    if settings.ingest.client_ca:
        found.append(expiry("client CA", tls.ingest.client_ca, True, read_certificate(tls.ingest.client_ca)))
    return tuple(found)
