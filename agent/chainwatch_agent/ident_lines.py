"""Lines of one syslog ident that hold none of some noise. Pure.

One expression finds them and their ends, and refuses what is surely noise: a line of it costs no call. It begins with
the rarest byte of the ident, for an expression that begins with a literal looks for its first byte: ` SMGC` would stop
at every blank (measured on Python 3.6: half the time for an ident that a log is not full of).
"""

import re
from typing import List, Sequence, Tuple

from chainwatch_agent.message_heads import HEAD, is_head

# How SM prints its pid and, since 3.2.12-17.1, its thread, at the head of a message.
_PID_AND_THREAD = rb": \[[0-9]+\](?:\[[^\]\n]*\] | )"
# Bytes of idents, the rarest in an SMlog first.
_BY_RARITY = b"@WPFYJKIBQzHDT+RwUyLXqEGVCgmhkNxMupS_tinsrvldo./beca-"


class IdentLines:
    """Lines whose ident is `ident`."""

    def __init__(self, ident: bytes, noise: Sequence[bytes]) -> None:
        # What begins with `] ` is looked for where an SM message begins and nowhere else: one cheap look.
        self._head_noise = tuple(literal for literal in noise if is_head(literal))
        others = [re.escape(literal) for literal in noise if not is_head(literal)]
        self._noise = re.compile(b"|".join(others)) if others else None
        words = b"|".join(re.escape(literal[len(HEAD) :]) for literal in self._head_noise) or b"(?!)"
        regular = _PID_AND_THREAD + b"(?!" + words + b")"
        # Group 1: a line of another form than SM's own, as `SMGC: message repeated 3 times: [ [123] text]`.
        other = b"(?!" + _PID_AND_THREAD + rb")([:\[])"
        self._pattern = re.compile(_anchored(ident) + b"(?:" + regular + b"|" + other + rb")[^\n]*\n?")

    def runs(self, block: bytes, size: int) -> List[Tuple[int, int]]:
        """(start, end) of each run of such lines in the first `size` bytes, ascending."""
        find, rfind, noise = block.find, block.rfind, self._noise
        runs: List[Tuple[int, int]] = []
        behind = begin = last = 0
        for found in self._pattern.finditer(block, 0, size):
            at, end = found.span()
            start = rfind(b"\n", behind, at) + 1 or behind
            # The first ": " of a line ends its ident: one further on is somebody quoting.
            if find(b": ", start, at) >= 0:
                continue
            behind = end
            if found.lastindex and block.startswith(self._head_noise, find(HEAD, at, end)):
                continue
            if noise is not None and noise.search(block, at, end) is not None:
                continue
            if start > last:
                if last:
                    runs.append((begin, last))
                begin = start
            last = end
        if last:
            runs.append((begin, last))
        return runs


def _anchored(ident: bytes) -> bytes:
    """Matches the end of ` ident`, from its rarest byte on."""
    places = range(len(ident))
    at = min(places, key=lambda place: (_BY_RARITY.find(ident[place : place + 1]) % 256, place))
    return re.escape(ident[at:]) + b"(?<= " + re.escape(ident) + b")"
