"""How often an address, or a host, may do what costs others. Bounded in memory, pure: the clock is an argument."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass
class RateLimit:
    """`burst` at once, then `per_minute`; the addresses seen longest ago are forgotten beyond `most`."""

    per_minute: float
    burst: int
    most: int = 4096
    _left: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)

    def wait_seconds(self, key: str, now_seconds: float) -> float:
        """0 where it may be tried now, and that is counted; else how long to wait."""
        left, at = self._left.pop(key, (float(self.burst), now_seconds))
        left = min(float(self.burst), left + (now_seconds - at) * self.per_minute / 60.0)
        waiting = 0.0 if left >= 1.0 else (1.0 - left) * 60.0 / self.per_minute
        self._left[key] = (left if waiting else left - 1.0, now_seconds)
        while len(self._left) > self.most:
            self._left.popitem(last=False)
        return waiting
