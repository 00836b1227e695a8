"""Logs that cannot be read, a partition that is full, a collector that hangs: real agents, real mounts."""

import os
import signal
import sys
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from agent.estate import Collector, Dom0, Process, agent_environment, eventually, make_pki

HOSTS = ["6a0e4b8e-6a40-4b66-bb0a-{:012d}".format(number) for number in range(20, 24)]
PRIVILEGED = os.geteuid() == 0
# Root's right to read everything, taken away: then a mode counts.
AS_ANYBODY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(Path(str(tmp_path_factory.mktemp("pki"))), *HOSTS)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory, pki: Path) -> Iterator[Collector]:
    started = Collector(Path(str(tmp_path_factory.mktemp("collector"))), pki).start()
    yield started
    started.end()


@pytest.fixture
def make_dom0(tmp_path: Path, pki: Path, collector: Collector) -> "Iterator[Callable[..., Dom0]]":
    made: List[Dom0] = []

    def make() -> Dom0:
        dom0 = Dom0(tmp_path / "dom0", pki, "localhost:{}".format(collector.port), host=HOSTS.pop())
        text = dom0.config.read_text().replace("[collector]\n", "[collector]\nkeepalive_seconds=5\n")
        dom0.config.write_text(text.replace("[watch]\n", "[watch]\nheartbeat_seconds=1\n"))
        made.append(dom0)
        return dom0

    yield make
    for dom0 in made:
        dom0.end()


def lines(begin: int, end: int) -> bytes:
    return b"".join(b"Nov 25 16:00:00 xcp-1 SMGC: [4711] line %06d\n" % number for number in range(begin, end))


def stored(collector: Collector, dom0: Dom0) -> bytes:
    return b"".join(line + b"\n" for line in collector.lines(dom0.host))


def start(dom0: Dom0, prefix: List[str]) -> Process:
    """The agent behind another command, such as one that takes rights away or mounts something."""
    command = prefix + [sys.executable, "-W", "error", "-m", "chainwatch_agent", "run", "--config", str(dom0.config)]
    dom0.process = Process(command, dom0.directory / "agent.log", agent_environment())
    return dom0.process


def problems(collector: Collector, dom0: Dom0) -> str:
    """All that its Status messages say is wrong."""
    sql = "SELECT s.body FROM statuses s JOIN hosts h ON h.id = s.host_id WHERE h.uuid = ?"
    return " ".join(bytes(row[0]).decode("utf-8", "replace") for row in collector.query(sql, dom0.host))


def test_a_log_nobody_may_read_is_told_of_and_read_as_soon_as_one_may(
    collector: Collector, make_dom0: "Callable[..., Dom0]"
) -> None:
    dom0 = make_dom0()
    dom0.append(lines(0, 50))
    dom0.smlog.chmod(0)
    process = start(dom0, AS_ANYBODY if PRIVILEGED else [])
    eventually(lambda: "SMlog: Permission denied" in problems(collector, dom0), 30)
    assert stored(collector, dom0) == b""
    dom0.smlog.chmod(0o600)
    # Nobody writes to it, and so nothing tells of it.
    eventually(lambda: stored(collector, dom0) == lines(0, 50), 90)
    dom0.append(lines(50, 60))
    eventually(lambda: stored(collector, dom0) == lines(0, 60), 30)
    assert "Traceback" not in process.text


def test_a_pipe_under_a_logs_name_holds_up_nothing(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0()
    os.mkfifo(str(dom0.smlog))
    daemon_log = dom0.smlog.with_name("daemon.log")
    error = b"Nov 25 16:00:00 xcp-1 tapdisk[1]: Input/output error\n"
    daemon_log.write_bytes(error)
    process = dom0.start()
    eventually(lambda: "SMlog: a pipe, not a file" in problems(collector, dom0), 30)
    eventually(lambda: collector.lines(dom0.host, "/var/log/daemon.log") == [error[:-1]], 30)
    dom0.smlog.unlink()
    dom0.append(lines(0, 10))
    eventually(lambda: stored(collector, dom0) == lines(0, 10), 90)
    assert "Traceback" not in process.text


@pytest.mark.skipif(not PRIVILEGED, reason="mounting needs root")
def test_a_full_partition_costs_nothing_but_the_checkpoint(
    collector: Collector, make_dom0: "Callable[..., Dom0]"
) -> None:
    dom0 = make_dom0()
    state = dom0.directory / "state"
    state.mkdir()
    mounts = 'mount -t tmpfs -o size=256k none {} && mount -t tmpfs -o size=4k none {} && exec "$@"'.format(
        dom0.logs, state
    )
    process = start(dom0, ["unshare", "--mount", "--propagation", "private", "sh", "-ec", mounts, "sh"])
    eventually(lambda: "connected" in process.text)
    inside = Path("/proc/{}/root".format(process.child.pid))
    (inside / str(state)[1:] / "filler").write_bytes(b"x" * 4096)
    smlog = inside / str(dom0.smlog)[1:]
    written = fill(smlog)
    assert not written.endswith(b"\n"), "the last line was cut by the full partition"
    whole = written[: written.rfind(b"\n") + 1]
    eventually(lambda: stored(collector, dom0) == whole, 30)
    # Rotation makes room only where nobody holds the file that it removes.
    smlog.rename(smlog.with_name("SMlog.1"))
    smlog.touch()
    smlog.with_name("SMlog.1").unlink()
    eventually(lambda: has_room(smlog), 30)
    eventually(lambda: stored(collector, dom0) == whole + AGAIN, 30)
    dom0.end()
    assert "No space left on device" in process.text
    assert "Traceback" not in process.text


AGAIN = b"Nov 25 16:00:01 xcp-1 SMGC: [4711] again\n"


def has_room(path: Path) -> bool:
    """Whether the line could be written, as rsyslog tries again and again."""
    try:
        with path.open("ab", buffering=0) as stream:
            return stream.write(AGAIN) == len(AGAIN)
    except OSError:
        return False


def fill(path: Path) -> bytes:
    """Write lines until nothing more fits; what was written."""
    data, at = lines(0, 100000), 0
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while True:
            at += os.write(descriptor, data[at : at + 5000])
    except OSError:
        return data[:at]
    finally:
        os.close(descriptor)


def test_a_collector_that_hangs_is_left(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0()
    dom0.append(lines(0, 10))
    process = dom0.start()
    eventually(lambda: stored(collector, dom0) == lines(0, 10))
    assert collector.process is not None
    os.kill(collector.process.child.pid, signal.SIGSTOP)
    try:
        # 5 s until the ping and 5 s for its answer, or three times 5 s without a word.
        eventually(lambda: len(process.text.splitlines()) > 1, 60)
        dom0.append(lines(10, 20))
    finally:
        os.kill(collector.process.child.pid, signal.SIGCONT)
    eventually(lambda: stored(collector, dom0) == lines(0, 20), 60)
    assert "Traceback" not in process.text
