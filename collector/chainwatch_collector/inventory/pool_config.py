"""`pools.d/*.toml`: a pool's addresses, its user, where the password stands, whom to trust."""

import os
import stat
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from chainwatch_collector.config_file import ConfigError, Section, parse_file
from chainwatch_collector.inventory.dial import Credentials, SecretError
from chainwatch_collector.inventory.self_check import CheckPace
from chainwatch_collector.inventory.tls import Trust, parse_fingerprint

CREDENTIALS: Final = "${CREDENTIALS_DIRECTORY}/"
"""A path that starts so is a systemd credential (`LoadCredential=` of the unit)."""
NOT_OF_THE_FILE: Final = frozenset({"source", "learned"})
_MOST_SECRET_BYTES: Final = 4096


class PoolSettings(Section):
    """One file of `pools.d`. The password stands in a file of mode 0600 or a systemd credential, never here.

    `addresses`: hosts of the pool, host or host:port. `fingerprints`: SHA-256 of the certificates that are trusted;
    `ca_file`: PEM of certificates or their CA; neither: the system's CAs; `insecure`: anyone. `rescan_username`:
    who asks for a scan (XenAPI's role vm-power-admin), so that the other user needs no more than read-only.
    `self_check_hours`: between two comparisons of the picture with the whole pool, 0 for none.
    """

    name: str = ""
    addresses: Annotated[list[str], Field(min_length=1)]
    username: str
    password_file: str
    rescan_username: str = ""
    rescan_password_file: str = ""
    ca_file: str = ""
    fingerprints: list[str] = Field(default_factory=list)
    insecure: bool = False
    verify_host_name: bool = True
    # Times of the backup window, "HH:MM-HH:MM" in the pool's zone; empty: learnt from the jobs.
    backup_windows: list[str] = Field(default_factory=list)
    self_check_hours: Annotated[float, Field(ge=0, le=24 * 30)] = 12.0
    source: Path = Path()
    # Not of the file: what `Trust.learned` says, by who follows the pool.
    learned: frozenset[str] = frozenset()

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            bare_address(address)
        return addresses

    @field_validator("fingerprints")
    @classmethod
    def _fingerprints(cls, texts: list[str]) -> list[str]:
        return [parse_fingerprint(text) for text in texts]

    @model_validator(mode="after")
    def _one_trust(self) -> Self:
        chosen = [bool(self.ca_file), bool(self.fingerprints), self.insecure]
        if sum(chosen) > 1:
            raise ValueError("ca_file, fingerprints and insecure exclude each other: keep one")
        return self

    @model_validator(mode="after")
    def _both_of_rescan(self) -> Self:
        if bool(self.rescan_username) != bool(self.rescan_password_file):
            raise ValueError("rescan_username and rescan_password_file go together: set both, or none")
        return self

    @property
    def key(self) -> str:
        """What the pool is called here: its `name`, else the file's."""
        return self.name or self.source.stem

    @property
    def bare_addresses(self) -> tuple[str, ...]:
        """host or host:port."""
        return tuple(bare_address(address) for address in self.addresses)

    def path(self, text: str) -> Path:
        """A path of this file."""
        return self.source.parent / text

    def trust(self) -> Trust:
        """Whom its session trusts."""
        return Trust(
            ca_file=self.path(self.ca_file) if self.ca_file else None,
            fingerprints=frozenset(self.fingerprints),
            learned=self.learned,
            insecure=self.insecure,
            verify_host_name=self.verify_host_name,
        )

    def password(self) -> str:
        """The secret, read now. Raises `SecretError`, which names the file and the fix."""
        return self._read(self.password_file)

    def _read(self, file: str) -> str:
        if file.startswith(CREDENTIALS):
            return _credential(file.removeprefix(CREDENTIALS), self.source)
        return _secret(self.path(file), others_may_read=False)

    def credentials(self) -> Credentials:
        """For a follower."""
        return Credentials(self.username, self.password)

    @property
    def check_pace(self) -> CheckPace:
        """When the picture is compared with the pool."""
        return CheckPace(self.self_check_hours * 3600)

    def rescan_credentials(self) -> Credentials:
        """For a scan: its own user's, where there is one."""
        if not self.rescan_username:
            return self.credentials()
        return Credentials(self.rescan_username, lambda: self._read(self.rescan_password_file))


def load_pools(directory: Path) -> list[PoolSettings]:
    """Every pool of a directory by file name; none where there is no directory. Raises `ConfigError`."""
    files = sorted(directory.glob("*.toml")) if directory.is_dir() else []
    pools = [parse_file(file, PoolSettings, NOT_OF_THE_FILE) for file in files]
    seen: dict[str, Path] = {}
    for pool in pools:
        if pool.key in seen:
            raise ConfigError(
                f"{pool.source}: name: {pool.key!r} is the pool of {seen[pool.key]} too; name it otherwise"
            )
        seen[pool.key] = pool.source
    return pools


def bare_address(text: str) -> str:
    """`https://host:port/` -> `host:port`. Raises `ValueError`."""
    bare = text.strip().removeprefix("https://").rstrip("/")
    host, _, port = bare.rpartition(":") if bare.count(":") == 1 or "]:" in bare else (bare, "", "")
    if not host or any(character in bare for character in "/@? \t#") or (port and not port.isdigit()):
        raise ValueError(f"{text!r} is no address: write a host's name or IP address, with :port where it is not 443")
    return bare


def _credential(name: str, source: Path) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise SecretError(f"{source}: password_file: no CREDENTIALS_DIRECTORY: set LoadCredential= in the unit")
    return _secret(Path(directory) / name, others_may_read=True)  # its modes are systemd's affair


def _secret(path: Path, *, others_may_read: bool) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SecretError(f"{path}: is no file: write the password in one of mode 0600")
        if stat.S_IMODE(mode) & 0o077 and not others_may_read:
            raise SecretError(f"{path}: others may read it: chmod 600 {path}")
        with path.open("rb") as file:
            data = file.read(_MOST_SECRET_BYTES + 1)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror}: write the password there, mode 0600") from None
    try:
        secret = data.decode().strip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"{path}: is no UTF-8 text") from None
    if not secret or len(data) > _MOST_SECRET_BYTES or "\n" in secret:
        raise SecretError(f"{path}: should hold one line, the password")
    return secret
