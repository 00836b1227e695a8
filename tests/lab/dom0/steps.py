"""What a simulated SM does, one step at a time: said, waited for, run, told to XenAPI. A player gives it time."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Say(NamedTuple):
    """One SMlog message; its pieces become lines of their own, as SM splits them (smlog.md 1.3)."""

    ident: Literal["SM", "SMGC"]
    pid: int
    text: str


class Wait(NamedTuple):
    """Nothing is logged for so long."""

    seconds: float


class Run(NamedTuple):
    """An image process runs for so long: `argv` as SM's child has it, `written_bytes` what it writes meanwhile.

    One that stalls writes a little and then nothing, until it is let go on.
    """

    pid: int
    argv: tuple[str, ...]
    seconds: float
    written_bytes: int
    stalls: bool = False


class Merged(NamedTuple):
    """The chain changed. Inner: the child's uuid vanishes. Leaf: the child's stays, the parent's disappears."""

    kind: Literal["inner", "leaf"]
    sr_uuid: str
    child: str
    parent: str


class Refused(NamedTuple):
    """SM found no room and told xapi (message SM_GC_NO_SPACE, `gc_no_space`)."""

    sr_uuid: str


Step = Say | Wait | Run | Merged | Refused
