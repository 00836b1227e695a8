"""`requirements/audit-ignored.toml`: known vulnerabilities that do no harm here, each with its reason and its end."""

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from audit.advisories import Vulnerability

LONGEST: Final = timedelta(days=366)
_MIN_REASON: Final = 40


class IgnoredError(Exception):
    """An entry that may not stand there: which, and what is missing."""


@dataclass(frozen=True)
class Ignored:
    """One advisory in one version of one package. After `until` it counts again."""

    id: str
    package: str
    version: str
    until: date
    reason: str

    def covers(self, found: Vulnerability) -> bool:
        return self.id in found.ids and (self.package, self.version) == (found.package, found.version)


def read_ignored(path: Path, today: date) -> tuple[Ignored, ...]:
    """Raises `IgnoredError`."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ignored", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise IgnoredError(f"{path}: {error}") from None
    return tuple(_entry(path, number, one, today) for number, one in enumerate(entries, 1))


def _entry(path: Path, number: int, given: dict[str, object], today: date) -> Ignored:
    where = f"{path}: entry {number}"
    wanted = {"id": str, "package": str, "version": str, "until": date, "reason": str}
    for key, kind in wanted.items():
        if not isinstance(given.get(key), kind) or not given[key]:
            raise IgnoredError(f"{where}: {key} must be there, a {kind.__name__}")
    if unknown := given.keys() - wanted.keys():
        raise IgnoredError(f"{where}: {', '.join(sorted(unknown))} is not known here")
    entry = Ignored(**given)  # type: ignore[arg-type]  # every field was looked at
    if len(entry.reason.strip()) < _MIN_REASON:
        raise IgnoredError(f"{where}: the reason must say why {entry.id} does no harm here")
    if entry.until > today + LONGEST:
        raise IgnoredError(f"{where}: until {entry.until} is further away than a year: it must be looked at again")
    return entry
