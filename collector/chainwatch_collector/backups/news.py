"""What a pool's fold is told of backups from outside of its own pool: immutable, the newest replaces the one before."""

from dataclasses import dataclass, field

from chainwatch_collector.backups.objects import Replicas
from chainwatch_collector.backups.seen import JobSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNews:
    """`jobs`: as this pool sees them. `replicas`: of all pools together.

    `jobs_known`: False while Xen Orchestra, where configured, has not answered since the start: its jobs are missing.
    """

    jobs: tuple[JobSeen, ...] = ()
    jobs_known: bool = True
    replicas: Replicas = field(default_factory=Replicas)
