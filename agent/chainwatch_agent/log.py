"""The agent's own log: one line each on stderr, UTF-8 whatever the locale, the same line at most once a minute."""

import sys
import time
from typing import BinaryIO, Callable, Dict

_REPEAT_SECONDS = 60.0
_BURST = 100
_REMEMBERED = 256


class Log:
    """`say` writes a line. Of one `topic` an unchanged line is repeated once a minute; in all at most 100 a minute."""

    def __init__(self, stream: BinaryIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._said: Dict[str, "tuple[str, float]"] = {}
        self._window_from = clock()
        self._in_window = 0
        self._held = 0

    def say(self, topic: str, text: str) -> None:
        """Write `text` as one line."""
        now = self._clock()
        before = self._said.get(topic)
        if before is not None and before[0] == text and now - before[1] < _REPEAT_SECONDS:
            return
        if now - self._window_from >= _REPEAT_SECONDS:
            self._window_from, self._in_window = now, 0
        if self._in_window >= _BURST:
            self._held += 1
            return
        self._in_window += 1
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[topic] = (text, now)
        if self._held:
            text += " ({} lines more were held back)".format(self._held)
            self._held = 0
        line = "chainwatch-agent: " + " ".join(text.split())
        try:
            self._stream.write(line.encode("utf-8", "replace") + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads our stderr any more: no reason to stop reading logs.
            return


def stderr_log() -> Log:
    """On this process's stderr. systemd gives LANG=C, and Python 3.6 would then encode as ASCII: bytes it is."""
    return Log(sys.stderr.buffer)
