"""Which certificates the two ports use, and whose the collector's CA is: the configured ones, else its own."""

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chainwatch_collector.receive.server import TlsFiles
from chainwatch_collector.serve.settings import Settings
from chainwatch_collector.trust.authority import Authority, fingerprint
from chainwatch_collector.trust.files import TrustFileError, TrustFiles, read_certificate
from chainwatch_collector.trust.identities import utc_now

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_ANYWHERE: Final = frozenset({"0.0.0.0", "::", ""})


@dataclass(frozen=True)
class Tls:
    """`web` is None behind a proxy that speaks TLS itself; `own_web`: the CA of its certificate, if that is ours."""

    authority: Authority
    ingest: TlsFiles
    web: tuple[Path, Path] | None
    own_web: Authority | None

    def anchor(self) -> str:
        """SHA-256 of what an agent knows the web port by: the CA that made its certificate, else that itself."""
        if self.own_web is not None or self.web is None:
            return (self.own_web or self.authority).fingerprint
        return fingerprint(read_certificate(self.web[0]))


def trust_files(settings: Settings) -> TrustFiles:
    """Where the CA is."""
    trust, path = settings.trust, settings.path
    given = (path(trust.ca), path(trust.ca_key)) if trust.ca else (None, None)
    # A renewal is asked for at a third of the time left: after one whole life every host has the new CA.
    return TrustFiles(path(settings.state_dir) / "tls", timedelta(days=trust.host_days), *given)


def open_tls(settings: Settings, now: datetime) -> Tls:
    """Make what is missing, renew what ends. Raises `TrustFileError`."""
    files, path = trust_files(settings), settings.path
    authority = files.open(now)
    ingest, web = settings.ingest, settings.web
    if not (ingest.certificate and (web.certificate or not web.tls)):
        files.ensure_server(authority, server_names(settings), now)
    own = (files.server, files.server_key)
    certificate, key = (path(ingest.certificate), path(ingest.key)) if ingest.certificate else own
    return Tls(
        authority,
        TlsFiles(certificate, key, path(ingest.client_ca) if ingest.client_ca else files.ca),
        ((path(web.certificate), path(web.key)) if web.certificate else own) if web.tls else None,
        files.server_authority(authority, now) if web.tls and not web.certificate else None,
    )


def new_ca(settings: Settings) -> str:
    """Roll the CA over; a sentence. Raises `TrustFileError` also while a roll-over lasts."""
    files, now = trust_files(settings), utc_now()
    authority = files.open(now)
    if len(authority.bundle) > 1:
        raise TrustFileError(f"{files.ca}: a roll-over lasts still: wait until every agent has renewed")
    fresh = files.roll_over(authority, now)
    return (
        f"{files.ca}: the new CA is {fresh.fingerprint}; the old one stays trusted for {settings.trust.host_days} days"
    )


def server_names(settings: Settings) -> list[str]:
    """What clients may call this collector: loopback, this machine's name, where it listens, what is configured."""
    hosts = [socket.gethostname(), urlsplit(settings.web.external_url).hostname or "", *settings.trust.names]
    hosts += [address.rpartition(":")[0].strip("[]") for address in (settings.ingest.listen, settings.web.listen)]
    return list(dict.fromkeys([*LOOPBACK_NAMES, *(host for host in hosts if host not in _ANYWHERE)]))
