"""A writer of SMlog lines in the real formats, for tests of single kinds. Wordings: the SMlog catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chainwatch_collector.read.facts import Fact, Line
from chainwatch_collector.read.reader import HostReader

SR = "0a1b2c3d-1111-2222-3333-444455556666"
OTHER_SR = "9f8e7d6c-1111-2222-3333-444455556666"
A = "aaaaaaa1-0000-4000-8000-000000000001"
B = "bbbbbbb2-0000-4000-8000-000000000002"
C = "ccccccc3-0000-4000-8000-000000000003"
FRAME = "*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*"
STARS = "         ***********************"


def disk(uuid: str, *, hidden: bool = True, size: str = "4.000G/400.790M?") -> str:
    """A file SR's image as 8.3 prints it."""
    return f"{'*' if hidden else ''}{uuid[:8]}({size})"


def path(uuid: str, sr: str = SR) -> str:
    """The image's file."""
    return f"/var/run/sr-mount/{sr}/{uuid}.vhd"


@dataclass
class Smlog:
    """Collects lines; time goes on only when told to. `thread` gives the prefix of 3.2.12-17.1 and later."""

    host: str = "xcp1"
    now: datetime = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
    thread: str = ""
    cow: bool = False
    lines: list[bytes] = field(default_factory=list)

    def raw(self, text: str) -> Smlog:
        """A line of any ident, stamped."""
        stamp = f"{self.now:%b} {self.now.day:2d} {self.now:%H:%M:%S}"
        self.lines.append(f"{stamp} {self.host} {text}".encode())
        return self

    def tick(self, seconds: float = 1) -> Smlog:
        """Time goes on."""
        self.now += timedelta(seconds=seconds)
        return self

    def _say(self, ident: str, pid: int, texts: tuple[str, ...]) -> Smlog:
        thread = f"[{self.thread}]" if self.thread else ""
        for text in texts:
            for piece in text.split("\n"):
                self.raw(f"{ident}: [{pid}]{thread} {piece}")
        return self

    def gc(self, pid: int, *texts: str) -> Smlog:
        """Lines of ident SMGC."""
        return self._say("SMGC", pid, texts)

    def sm(self, pid: int, *texts: str) -> Smlog:
        """Lines of ident SM."""
        return self._say("SM", pid, texts)

    # --- sequences --------------------------------------------------------------------------------------------

    def start(self, pid: int, sr: str = SR, *, worker: int | None = None) -> Smlog:
        """G5, and with `worker` the launcher's hand-over (8.2, -b)."""
        self.gc(pid, f"=== SR {sr}: gc ===")
        if worker is not None:
            self.gc(worker - 1, f"Will finish as PID [{worker}]").gc(pid, f"New PID [{worker - 1}]")
        return self.gc(worker or pid, "Found 0 cache files")

    def tree(self, pid: int, *nodes: tuple[int, str], sr: str = SR, name: str = "Local storage") -> Smlog:
        """A full dump."""
        word = "COW" if self.cow else "VHD"
        self.gc(pid, f"SR {sr[:4]} ('{name}') ({len(nodes)} VDIs in 1 {word} trees): ")
        for depth, image in nodes:
            self.gc(pid, f"{' ' * (8 + 4 * depth)}{image}")
        return self.gc(pid, "")

    def chain(self, pid: int, sr: str = SR) -> Smlog:
        """A root, a hidden middle, a leaf: A <- B <- C."""
        return self.tree(pid, (0, disk(A)), (1, disk(B)), (2, disk(C, hidden=False)), sr=sr)

    def inner_start(self, pid: int, child: str = B, parent: str = A) -> Smlog:
        """C7 up to the fork of the copy."""
        word = "COW" if self.cow else "VHD"
        self.gc(pid, f"Coalescing {disk(child)} -> {disk(parent)}")
        return self.gc(pid, f"  Running {word} coalesce on {disk(child)}")

    def copy(self, child_pid: int, image: str = B, sr: str = SR) -> Smlog:
        """The child's own E5."""
        return self.sm(child_pid, f"['/usr/bin/vhd-util', 'coalesce', '--debug', '-n', '{path(image, sr)}']")

    def copied(self, pid: int, child_pid: int, sr: str = SR) -> Smlog:
        """The child's good end, and what the run says of it."""
        self.sm(child_pid, "  pread SUCCESS", f"IPCFlag: set {sr}:success").tick()
        return self.gc(pid, "  Child process completed successfully")

    def updated(self, pid: int, sr: str = SR) -> Smlog:
        """C43, G36, G37."""
        return self.gc(
            pid,
            "In cleanup",
            f"Starting asynch srUpdate for SR {sr}",
            "SR.update_asynch status changed to [success]",
        )

    def banner(self, pid: int, tag: str, message: str, cls: str = "util.SMException") -> Smlog:
        """A GC exception block."""
        trace = '  File "/opt/xensource/sm/cleanup.py", line 2212, in coalesce\n    self._coalesce(vdi)'
        head = ["         *  E X C E P T I O N  *", STARS, f"{tag}: EXCEPTION <class '{cls}'>, {message}"]
        return self.gc(pid, FRAME, STARS, *head, trace, "", FRAME)

    def failed_command(self, pid: int, rc: int, said: str) -> Smlog:
        """E7 on two lines."""
        return self.sm(pid, f"FAILED in util.pread: (rc {rc}) stdout: '{said}\n', stderr: ''")

    def finish(self, pid: int, *, clean: bool = True, sr: str = SR) -> Smlog:
        """G12 unless not `clean`, G17, and the last T1a."""
        if clean:
            self.gc(pid, "No work, exiting")
        return self.gc(
            pid,
            "GC process exiting, no work left",
            "In cleanup",
            f"SR {sr[:4]} ('Local storage') (3 VDIs in 1 VHD trees): no changes",
        )

    # --- reading ----------------------------------------------------------------------------------------------

    def as_lines(self, *, log: str = "/var/log/SMlog", ordinal: int = 0) -> list[Line]:
        """The lines with their offsets, read at the time of the last one."""
        out, offset = [], 0
        for data in self.lines:
            out.append(Line(log, ordinal, offset, data, self.now, None))
            offset += len(data) + 1
        return out


def read(log: Smlog) -> tuple[HostReader, list[Fact]]:
    """Everything at once."""
    reader = HostReader("", UTC)
    return reader, [*reader.feed(log.as_lines()), *reader.finish()]


def brief(log: Smlog) -> list[tuple[str, list[tuple[str, str, str, str, str | None]]]]:
    """Per run: its outcome, and per merge kind, child, parent, outcome, cause."""
    reader, _ = read(log)
    return [
        (run.outcome, [(m.kind, m.child[:8], m.parent[:8], m.outcome, m.cause) for m in run.merges])
        for run in reader.runs
    ]
