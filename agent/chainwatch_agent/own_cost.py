"""What the agent itself costs: memory, CPU, threads, descriptors of this very process, as psutil reads them."""

from typing import Dict

import psutil


class OwnCost:
    """Gauges by the names of proto/README.md 7.5."""

    def __init__(self) -> None:
        self._process = psutil.Process()

    def values(self) -> Dict[str, float]:
        """`rss_bytes`, `cpu_seconds`, `threads`, `open_files`."""
        with self._process.oneshot():
            times = self._process.cpu_times()
            return {
                "rss_bytes": float(self._process.memory_info().rss),
                "cpu_seconds": times.user + times.system,
                "threads": float(self._process.num_threads()),
                "open_files": float(self._process.num_fds()),
            }
