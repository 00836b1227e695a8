"""Every threshold of the catalogue in one place, with the defaults of interfaces.md section 6, and the parser of
collector.toml's `[thresholds]` table.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


class ThresholdError(ValueError):
    """A `[thresholds]` entry that cannot be used: says which, and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Seconds, ratios from 0 to 1, counts. Names end in their unit."""

    # GC runs
    gc_not_running_seconds: float = 1800
    gc_ineffective_runs: int = 3
    gc_ineffective_seconds: float = 3600
    gc_crashed_runs: int = 2
    gc_interrupted_runs: int = 3
    step_waiting_for_xapi_seconds: float = 1800
    step_waiting_for_lock_seconds: float = 600
    step_quiet_seconds: float = 360
    step_scanning_seconds: float = 900
    step_deleting_seconds: float = 900
    step_preparing_seconds: float = 900
    step_copy_without_progress_seconds: float = 900
    step_relinking_seconds: float = 600
    step_pausing_seconds: float = 120
    step_updating_seconds: float = 180
    step_undoing_seconds: float = 900
    step_between_seconds: float = 900
    host_asked_seconds: float = 180
    # merges
    merge_transient_seconds: float = 7200
    leaf_gave_up_runs: int = 3
    leaf_gave_up_seconds: float = 3600
    leaf_blocked_seconds: float = 86400
    merge_rate_samples: int = 3
    # chains and images
    chain_near_limit_depth: int = 20
    chain_at_limit_depth: int = 30
    flag_relinking_seconds: float = 600
    flag_activating_seconds: float = 600
    flag_paused_seconds: float = 120
    flag_host_seconds: float = 1800
    parent_missing_seconds: float = 60
    garbage_seconds: float = 7200
    control_domain_seconds: float = 86400
    # scans, storage
    scan_failures: int = 2
    space_low_ratio: float = 0.30
    space_warning_ratio: float = 0.10
    space_full_bytes: int = 8 << 20
    space_error_seconds: float = 86400
    io_error_seconds: float = 3600
    storage_slow_seconds: float = 3600
    storage_slow_count: int = 3
    disk_frozen_seconds: float = 86400
    # agents, hosts, pools
    agent_silent_seconds: float = 60
    agent_missing_seconds: float = 300
    agent_behind_seconds: float = 300
    host_duplicate_seconds: float = 600
    agent_misbehaves_seconds: float = 600
    agent_behind_bytes: int = 64 << 20
    evidence_gap_seconds: float = 86400
    pool_unreachable_seconds: float = 30
    sr_detached_seconds: float = 300
    log_quiet_seconds: float = 900
    log_partition_free_ratio: float = 0.05
    clock_skew_seconds: float = 30
    xo_max_uncoalesced_vdis: int = 1
    backup_will_skip_seconds: float = 1800
    snapshot_obstacle_seconds: float = 120
    # backups, history
    backup_stalled_seconds: float = 900
    backup_stalled_unseen_seconds: float = 3600
    backup_stalled_bytes_per_second: float = 32768
    backup_base_seconds: float = 600
    backup_pattern_seconds: float = 120
    backup_target_free_bytes: int = 1 << 30
    backup_overdue_runs: int = 2
    backup_overdue_grace_seconds: float = 21600
    backup_cycle_seconds: float = 86400
    behind_cycles: int = 3
    forecast_cycles: int = 14
    full_soon_seconds: float = 604800
    verdict_seconds: float = 5
    verdict_refresh_seconds: float = 60
    # every finding
    clear_seconds: float = 0
    flapping_clear_seconds: float = 20

    @property
    def steps(self) -> Mapping[str, float]:
        """A run's step → how long it may last, in seconds."""
        return {
            "waiting_for_xapi": self.step_waiting_for_xapi_seconds,
            "waiting_for_lock": self.step_waiting_for_lock_seconds,
            "quiet": self.step_quiet_seconds,
            "scanning": self.step_scanning_seconds,
            "deleting": self.step_deleting_seconds,
            "preparing": self.step_preparing_seconds,
            "copying": self.step_copy_without_progress_seconds,
            "relinking": self.step_relinking_seconds,
            "pausing": self.step_pausing_seconds,
            "updating": self.step_updating_seconds,
            "undoing": self.step_undoing_seconds,
            "finishing": self.step_undoing_seconds,
            "between": self.step_between_seconds,
        }


def parse(table: Mapping[str, Any]) -> Thresholds:
    """A TOML table as thresholds. Raises ThresholdError that names the key and the fix."""
    known = {field.name: field for field in fields(Thresholds)}
    given: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise ThresholdError(f"thresholds.{name}: no such threshold; the nearest is {_nearest(name, list(known))}")
        given[name] = _checked(name, value, whole=isinstance(getattr(Thresholds(), name), int))
    return Thresholds(**given)


def _checked(name: str, value: Any, *, whole: bool) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ThresholdError(f"thresholds.{name}: {value!r} is no number; write for example {_example(name)}")
    if value < 0:
        raise ThresholdError(f"thresholds.{name}: {value} is negative; write 0 or more")
    if name.endswith("_ratio") and value > 1:
        raise ThresholdError(f"thresholds.{name}: {value} is no ratio; write 0.1 for 10 %")
    if whole and value != int(value):
        raise ThresholdError(f"thresholds.{name}: {value} is no whole number; write {_example(name)}")
    return int(value) if whole else float(value)


def _example(name: str) -> object:
    return getattr(Thresholds(), name)


def _nearest(name: str, known: list[str]) -> str:
    return (difflib.get_close_matches(name, known, n=1, cutoff=0.0) or known)[0]
