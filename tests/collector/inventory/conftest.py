"""A pool of the lab with something of everything, and a follower of it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from chainwatch_collector.inventory.connection import Pace
from chainwatch_collector.inventory.dial import Credentials
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.follow import PoolFollower, Rhythm
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.session import Timeouts
from chainwatch_collector.inventory.tls import Trust
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.pool import XapiPool

RHYTHM = Rhythm(pause=0.05, wait=0.2, margin=0.5, messages=0.1)
PACE = Pace(first=0.05, most=0.2)
TIMEOUTS = Timeouts(connect=2, call=5, login=2, logout=1)
CONVERGED_SECONDS = 5.0
"""How soon after its last change the picture must be the server's."""
TICK_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
"""How long a test waits for what must come: long, since the machine may be busy."""


def build(pool: XapiPool) -> None:
    """Two SRs with chains and VMs."""
    estate, disks = pool.estate, pool.disks
    for sr in (estate.add_sr("nfs", "nfs-1"), estate.add_sr("lvmoiscsi", "iscsi-1")):
        for number in range(6):
            leaf = disks.add_chain(sr, f"disk-{number}", 4)[-1]
            estate.add_vm(f"vm-{sr[-4:]}-{number}", pool.host("xcp1") if number % 2 else None, [disks.ref(leaf)])


@pytest.fixture
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", "xcp3", build=build) as pool:
        yield pool


class Followed:
    """A follower under test and every picture that it showed."""

    def __init__(
        self,
        lab: LabPool,
        addresses: tuple[str, ...] = (),
        before: Picture | None = None,
        *,
        hurried: bool = True,
        rhythm: Rhythm = RHYTHM,
        trust: Trust | None = None,
    ) -> None:
        """`hurried`: shorter pauses than in life, by `rhythm`."""
        self.lab = lab
        self.pictures: list[Picture] = []
        self.learned: list[frozenset[str]] = []
        self.follower = PoolFollower(
            "pool-1",
            addresses or (f"{lab.address}:{lab.port}",),
            Credentials(lab.reader, lambda: lab.reader_password),
            trust or Trust(ca_file=lab.ca_file),
            lambda _key, picture: self.pictures.append(picture),
            before=before,
            rhythm=rhythm if hurried else None,
            pace=PACE if hurried else None,
            timeouts=TIMEOUTS if hurried else None,
            on_learned=lambda _key, fingerprints: self.learned.append(fingerprints),
        )

    @property
    def picture(self) -> Picture:
        return self.follower.picture

    def until(self, condition: Callable[[Picture], bool], what: str) -> Picture:
        """The first picture from now on that it holds for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            picture = self.follower.picture
            if condition(picture):
                return picture
            time.sleep(0.01)
        raise AssertionError(f"not within {PATIENCE_SECONDS} s: {what}; problem: {self.picture.problem!r}")

    def converges(self) -> None:
        """Equal to the server within `CONVERGED_SECONDS` from now, not counting what other processes take of the
        machine: a tick that came late by so much is not time that the follower had.
        """
        there, seen, left = without_times(picture_from_dump(self.lab.dump())), None, CONVERGED_SECONDS
        while left > 0:
            if self.picture is not seen:
                seen = self.picture
                if seen.reachable and without_times(seen) == there:
                    return
            time.sleep(TICK_SECONDS)
            left -= TICK_SECONDS
        raise AssertionError(
            f"not equal within {CONVERGED_SECONDS} s: {difference(without_times(self.picture), there)};"
            f" problem: {self.picture.problem!r}"
        )

    def until_equal(self) -> None:
        """Every object as the server has it, over the slim fields."""
        there = without_times(picture_from_dump(self.lab.dump()))
        try:
            self.until(lambda picture: picture.reachable and without_times(picture) == there, "equal to the server")
        except AssertionError as error:
            raise AssertionError(f"{error}; {difference(without_times(self.picture), there)}") from None


def without_times(picture: Picture) -> Picture:
    """What both a dump and a live picture have; objects that come and go with every call are not compared."""
    return replace(
        picture,
        as_of=None,
        master_since=None,
        host_enabled_since={},
        pbd_attached_since={},
        vdis_by_sr={ref: vdis for ref, vdis in picture.vdis_by_sr.items() if vdis},
    )


def difference(here: Picture, there: Picture) -> str:
    """The first objects that differ, for the message of a failure."""
    for name in (
        "pool",
        "problem",
        "messages",
        "hosts",
        "srs",
        "vms",
        "vbds",
        "pbds",
        "sm_types",
        "tasks",
        "vdis_by_sr",
    ):
        ours, theirs = getattr(here, name), getattr(there, name)
        if ours != theirs:
            keys = [k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k)] if isinstance(ours, dict) else []
            shown = [(key, ours.get(key), theirs.get(key)) for key in keys[:1]]
            return f"{name}: {len(keys)} differ: {str(shown or (ours, theirs))[:1500]}"
    return "equal by now"


@pytest.fixture
def followed(lab: LabPool) -> Iterator[Followed]:
    it = Followed(lab)
    it.follower.start()
    it.until(lambda picture: picture.reachable, "reachable")
    yield it
    assert it.follower.stop(PATIENCE_SECONDS)
    assert lab.writes_called == []
