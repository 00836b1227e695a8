"""A real agent process ships to a real collector process over mutual TLS: on this Python, also on 3.6."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from agent.estate import SMLOG, Collector, Dom0, eventually, make_pki

HOSTS = ["6a0e4b8e-6a40-4b66-bb0a-{:012d}".format(number) for number in range(12)]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(Path(str(tmp_path_factory.mktemp("pki"))), *HOSTS)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory, pki: Path) -> Iterator[Collector]:
    """One for all tests, each of which has a host of its own."""
    started = Collector(Path(str(tmp_path_factory.mktemp("collector"))), pki).start()
    yield started
    started.end()


@pytest.fixture
def make_dom0(tmp_path: Path, pki: Path) -> "Iterator[Callable[..., Dom0]]":
    made: List[Dom0] = []

    def make(*ports: int, extra: str = "") -> Dom0:
        addresses = ",".join("localhost:{}".format(port) for port in ports)
        made.append(Dom0(tmp_path / "dom0-{}".format(len(made)), pki, addresses, extra, HOSTS.pop()))
        return made[-1]

    yield make
    for dom0 in made:
        dom0.end()


def lines(begin: int, end: int) -> bytes:
    return b"".join(b"Nov 25 16:00:00 xcp-1 SMGC: [4711] line %06d\n" % number for number in range(begin, end))


def test_from_the_first_start_to_a_rotation(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0(collector.port)
    dom0.append(b"Nov 25 16:00:00 xcp-1 SM: [1] lock: released /var/lock/sm/x/sr\n" + lines(0, 500))
    process = dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 500)
    dom0.append(lines(500, 510) + lines(510, 511)[:20])
    eventually(lambda: len(collector.lines(dom0.host)) == 510)
    dom0.append(lines(510, 511)[20:])
    dom0.smlog.rename(dom0.logs / "SMlog.1")
    dom0.append(lines(511, 600))
    eventually(lambda: len(collector.lines(dom0.host)) == 600)
    assert b"\n".join(collector.lines(dom0.host)) + b"\n" == lines(0, 600)
    eventually(lambda: bool(collector.query("SELECT 1 FROM statuses")))
    assert collector.query("SELECT count(*) FROM gaps") == [(0,)]
    assert dom0.end() == 0
    assert process.text.count("connected to") == 1
    assert "Traceback" not in process.text


def test_an_outage_of_the_collector_loses_and_doubles_nothing(
    collector: Collector, make_dom0: "Callable[..., Dom0]"
) -> None:
    dom0 = make_dom0(collector.port)
    dom0.append(lines(0, 100))
    process = dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 100)
    collector.end(signal.SIGKILL)
    dom0.append(lines(100, 200))
    dom0.smlog.rename(dom0.logs / "SMlog.1")
    dom0.append(lines(200, 300))
    eventually(lambda: "not reachable" in process.text)
    collector.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 300)
    assert b"\n".join(collector.lines(dom0.host)) + b"\n" == lines(0, 300)


def test_a_killed_agent_goes_on_where_the_collector_is(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0(collector.port)
    dom0.append(lines(0, 20000))
    dom0.start()
    eventually(
        lambda: bool(
            collector.query("SELECT 1 FROM files f JOIN hosts h ON h.id = f.host_id WHERE h.uuid = ?", dom0.host)
        )
    )
    dom0.end(signal.SIGKILL)
    (dom0.directory / "state" / "checkpoint").parent.mkdir(exist_ok=True)
    (dom0.directory / "state" / "checkpoint").write_bytes(b"damaged")
    process = dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 20000, 40)
    assert b"\n".join(collector.lines(dom0.host)) + b"\n" == lines(0, 20000)
    eventually(lambda: "damaged" in process.text)


def test_a_frozen_collector_holds_up_nothing_but_the_stream(
    collector: Collector, make_dom0: "Callable[..., Dom0]"
) -> None:
    dom0 = make_dom0(collector.port, extra="[limits]\nwindow_bytes=65536\nspan_bytes=4096")
    dom0.append(lines(0, 10))
    process = dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 10)
    assert collector.process is not None
    os.kill(collector.process.child.pid, signal.SIGSTOP)
    try:
        dom0.append(lines(10, 20000))
        time.sleep(1.0)
        with open("/proc/{}/status".format(process.child.pid)) as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    finally:
        os.kill(collector.process.child.pid, signal.SIGCONT)
    assert resident < 64 * 1024
    eventually(lambda: len(collector.lines(dom0.host)) == 20000, 60)


def test_a_refused_certificate_is_said_in_words(
    collector: Collector, make_dom0: "Callable[..., Dom0]", tmp_path: Path
) -> None:
    dom0 = make_dom0(collector.port)
    rogue = make_pki(tmp_path / "rogue", dom0.host)
    text = dom0.config.read_text()
    for name in ("cert", "key"):
        text = re.sub("{}=.*/".format(name), "{}={}/".format(name, rogue), text)
    dom0.config.write_text(text)
    process = dom0.start()
    eventually(lambda: "certificate may be refused" in process.text)
    assert "Traceback" not in process.text
    assert process.text.count("\n") < 5


def test_the_next_address_is_tried(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0(1, collector.port)
    dom0.append(lines(0, 5))
    dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 5)


def test_a_drained_collector_is_left_and_found_again(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0(collector.port)
    dom0.append(lines(0, 5))
    process = dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 5)
    collector.end(signal.SIGTERM)
    assert "asked to go" in process.text
    dom0.append(lines(5, 10))
    collector.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 10)


def test_sighup_reads_the_configuration_again(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0(collector.port)
    dom0.append(lines(0, 5))
    process = dom0.start()
    eventually(lambda: len(collector.lines(dom0.host)) == 5)
    good = dom0.config.read_text()
    dom0.config.write_text(good + "nonsense=1\n")
    process.child.send_signal(signal.SIGHUP)
    eventually(lambda: "nonsense" in process.text)
    dom0.append(lines(5, 6))
    eventually(lambda: len(collector.lines(dom0.host)) == 6)
    dom0.config.write_text(good)
    process.child.send_signal(signal.SIGHUP)
    eventually(lambda: "read again" in process.text)
    dom0.append(lines(6, 7))
    eventually(lambda: len(collector.lines(dom0.host)) == 7)
    assert SMLOG in {row[0] for row in collector.query("SELECT path FROM logs")}


def test_check_goes_the_whole_way(collector: Collector, make_dom0: "Callable[..., Dom0]") -> None:
    dom0 = make_dom0(collector.port)
    dom0.append(lines(0, 5))
    done = dom0.command("check")
    text = done.stdout.decode("utf-8")
    assert done.returncode == 0, text
    assert "welcomed by collector" in text
    assert "everything is ready" in text
