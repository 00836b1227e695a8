"""A timer that is a descriptor (timerfd, Linux 2.6.25), for an epoll set; Python has it only since 3.13."""

import ctypes
import os
import struct

_CLOCK_MONOTONIC = 1
_ITIMERSPEC = struct.Struct("@llll")  # interval and value, each seconds and nanoseconds


class WakeTimer:
    """Readable once, so many seconds after `start`."""

    def __init__(self) -> None:
        """Raises OSError where the kernel gives none."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = int(self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def fileno(self) -> int:
        """For an epoll set."""
        return self._fd

    def start(self, seconds: float) -> None:
        """From now on; an earlier start is forgotten."""
        self._set(max(seconds, 1e-6))

    def stop(self) -> None:
        """Not readable any more."""
        self._set(0.0)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _set(self, seconds: float) -> None:
        whole = int(seconds)
        spec = ctypes.create_string_buffer(_ITIMERSPEC.pack(0, 0, whole, int((seconds - whole) * 1e9)))
        if self._libc.timerfd_settime(self._fd, 0, spec, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
