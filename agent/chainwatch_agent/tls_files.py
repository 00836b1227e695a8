"""The agent's TLS files: written whole, the key readable by root alone, in one directory of mode 0700."""

import os
import re
from typing import NamedTuple

from chainwatch_agent.config import Settings


class TlsPaths(NamedTuple):
    """`web` remembers where this host was enrolled, and how that port proves itself."""

    ca: str
    certificate: str
    key: str
    web: str


class TlsFileError(Exception):
    """A file that cannot be read or written, and what to do."""


def tls_paths(settings: Settings) -> TlsPaths:
    """Where they are."""
    return TlsPaths(settings.ca, settings.certificate, settings.key, os.path.join(settings.state_dir, "tls", "web"))


def make_directories(paths: TlsPaths) -> None:
    """Raises `TlsFileError`."""
    for path in paths:
        directory = os.path.dirname(path)
        try:
            os.makedirs(directory, 0o700, exist_ok=True)
        except OSError as error:
            raise TlsFileError("{}: cannot be made: {}: run as root".format(directory, error.strerror)) from None
    # The directory may be there with other rights, made by hand.
    os.chmod(os.path.dirname(paths.key), 0o700)


def write_whole(path: str, text: str, mode: int = 0o600) -> None:
    """Replace a file: a reader sees the old one or the new one. Raises `TlsFileError`."""
    partial = path + ".new"
    try:
        if os.path.exists(partial):
            os.unlink(partial)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(partial, path)
    except (OSError, UnicodeEncodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TlsFileError("{}: cannot be written: {}".format(path, why)) from None


def read_text(path: str) -> str:
    """Raises `TlsFileError`."""
    try:
        with open(path, "r", encoding="ascii") as stream:
            return stream.read(1024 * 1024)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is no PEM text"
        raise TlsFileError("{}: {}: chainwatch-agent enroll makes it".format(path, why)) from None


def with_addresses(text: str, addresses: str) -> str:
    """agent.conf with `addresses` below its [collector], which is added where there is none; other lines stay."""
    line = "addresses = {}\n".format(addresses)
    found = re.search(r"^\[collector\][^\n]*\n", text, re.MULTILINE)
    if found is None:
        return (text if text.endswith("\n") or not text else text + "\n") + "[collector]\n" + line
    return text[: found.end()] + line + text[found.end() :]
