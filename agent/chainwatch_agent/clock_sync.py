"""Does the kernel hold this host's clock to be synchronised? What `timedatectl` shows as `NTP synchronized`."""

import ctypes

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex has 208; `modes` 0 in front asks and sets nothing


def clock_synchronized() -> bool:
    """True where chronyd, ntpd or timesyncd keep it; False where nobody does or the kernel cannot be asked."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _TIME_ERROR
