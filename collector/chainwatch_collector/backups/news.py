"""What a pool's fold is told of backups from outside of its own pool: immutable, the newest replaces the one before."""

from dataclasses import dataclass, field

from chainwatch_collector.backups.objects import Replicas
from chainwatch_collector.backups.seen import JobSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNews:
    """`jobs`: as this pool sees them. `replicas`: of all pools together."""

    jobs: tuple[JobSeen, ...] = ()
    replicas: Replicas = field(default_factory=Replicas)
