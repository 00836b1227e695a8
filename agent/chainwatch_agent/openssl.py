"""The host's `openssl` for what Python 3.6 cannot do: keys, certificate requests, signatures. One-shot commands only.

Written for the options of openssl 1.0.2, which CentOS 7's dom0 has; newer ones have them all. A key is made straight
into a file of mode 0600 and is never an argument or read by us.
"""

import os
import subprocess
from typing import List, NamedTuple

_SECONDS = 60.0
_MAX_OUTPUT = 64 * 1024


class OpensslError(Exception):
    """openssl is missing or refused; one line with its own words."""


class Validity(NamedTuple):
    """As openssl prints them: `Nov 25 16:00:00 2026 GMT`."""

    start: str
    end: str


def make_key(path: str) -> None:
    """A new P-256 key, PEM, mode 0600; a file in its way is removed. Raises `OpensslError`, `OSError`."""
    if os.path.exists(path):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _run(["ecparam", "-name", "prime256v1", "-genkey", "-noout"], stdout=descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_request(key_path: str, name: str) -> str:
    """A certificate request for a key, PEM. The collector takes the key from it and gives the names itself."""
    # The least configuration that openssl takes: dom0's own may ask questions, or be missing.
    arguments = ["req", "-new", "-sha256", "-key", key_path, "-subj", "/CN=" + name, "-config", "/dev/stdin"]
    out = _run(arguments, stdin=b"[req]\ndistinguished_name = dn\n[dn]\n")
    return out.decode("ascii", "replace")


def sign(key_path: str, data: bytes) -> bytes:
    """SHA-256 signature of `data` (ECDSA in DER, or PKCS#1 for RSA)."""
    return _run(["dgst", "-sha256", "-sign", key_path], stdin=data)


def validity(certificate_path: str) -> Validity:
    """From when to when a certificate is good."""
    lines = _run(["x509", "-noout", "-startdate", "-enddate", "-in", certificate_path]).decode("ascii", "replace")
    found = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
    return Validity(found.get("notBefore", ""), found.get("notAfter", ""))


def is_pair(certificate_path: str, key_path: str) -> bool:
    """Whether the certificate is of this key."""
    of_certificate = _run(["x509", "-noout", "-pubkey", "-in", certificate_path])
    return of_certificate.split() == _run(["pkey", "-pubout", "-in", key_path]).split()


def _run(arguments: "List[str]", stdin: bytes = b"", stdout: int = subprocess.PIPE) -> bytes:
    try:
        done = subprocess.run(
            ["openssl"] + arguments, input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=_SECONDS
        )
    except OSError as error:
        raise OpensslError("openssl cannot be run: {}: yum install openssl".format(error.strerror)) from None
    except subprocess.TimeoutExpired:
        raise OpensslError("openssl {} did not end within {:g} s".format(arguments[0], _SECONDS)) from None
    if done.returncode != 0:
        said = " ".join((done.stderr or b"").decode("utf-8", "replace").split())[:500]
        raise OpensslError("openssl {} failed: {}".format(arguments[0], said))
    return (done.stdout or b"")[:_MAX_OUTPUT]
