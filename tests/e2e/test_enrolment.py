"""From a fresh collector and a dom0 without a certificate to stored evidence: real processes, real Python 3.6."""

import ssl
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chainwatch_collector.keep.engine import open_bare, sqlite_url
from chainwatch_collector.keep.tables import CERTIFICATES, HOSTS, LINES
from chainwatch_collector.keep.trust_tables import ENROLMENT_TOKENS
from lab.dom0.host import HostDirectory
from lab.enrolling import Dom0Agent, OwnCaCollector, python36
from lab.pki import Pki
from sqlalchemy import func, select

pytestmark = pytest.mark.py36

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
OTHER = "b2c5c1d2-1f0e-4a53-8f6e-0c1d2e3f4a5b"
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def python() -> str:
    found = python36()
    if not found:
        pytest.skip("no Python 3.6 here: pyenv install 3.6.15")
    return found


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[OwnCaCollector]:
    made = OwnCaCollector(tmp_path / "collector", ingest="heartbeat_seconds = 1")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def agent(tmp_path: Path, python: str) -> Iterator[Dom0Agent]:
    made = Dom0Agent(HostDirectory(tmp_path / "dom0", "xcp-1", HOST), python)
    yield made
    made.stop()


def write_log(agent: Dom0Agent, text: str) -> None:
    now = datetime.now(UTC)
    with (agent.host.root / "var/log/SMlog").open("a") as log:
        log.write(f"{now:%b} {now.day:2} {now:%H:%M:%S} xcp-1 SMGC: [1] {text}\n")


def until(what: Callable[[], object], agent: Dom0Agent) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, agent.log.read_text()[-2000:]
        time.sleep(0.1)


def stored(collector: OwnCaCollector, text: str) -> bool:
    """Whether a line with this text is in the database."""
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.connect() as connection:
        rows = connection.execute(select(LINES.c.data)).scalars().all()
    engine.dispose()
    return any(text.encode() in row for row in rows)


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    """A refusal is one line on stderr, and says nothing of the token."""
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cw1." not in done.stderr
    return done.stderr


def test_enroll_run_renew_and_revoke(collector: OwnCaCollector, agent: Dom0Agent) -> None:
    token = collector.token(HOST)
    done = agent.enroll(collector.web, token)
    assert done.returncode == 0, done.stderr
    assert f"host {HOST} is enrolled until " in done.stdout
    assert stat.S_IMODE(agent.tls.stat().st_mode) == 0o700
    assert stat.S_IMODE((agent.tls / "key.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in agent.tls.iterdir()) == ["ca.pem", "cert.pem", "key.pem", "web"]
    assert f"addresses = localhost:{collector.ingest_port}" in agent.config.read_text()
    agent.start()
    write_log(agent, "before the renewal")
    until(lambda: stored(collector, "before the renewal"), agent)

    # A token is used once, also by the host that it is for.
    assert "this enrolment token was used on" in one_line(agent.enroll(collector.web, token))

    # Renewal in mid-stream: the stream goes on; the next one shows the new certificate and retires the old one.
    assert "nothing to do" in agent.command("renew").stdout
    old = (agent.tls / "cert.pem").read_text()
    assert agent.command("renew", "--now").stdout.startswith("renewed until ")
    assert (agent.tls / "cert.pem").read_text() != old
    write_log(agent, "on the old stream")
    until(lambda: stored(collector, "on the old stream"), agent)
    collector.stop()
    collector.start()
    write_log(agent, "with the new certificate")
    until(lambda: stored(collector, "with the new certificate"), agent)
    assert retired(collector) == [True, False]

    # The old one is refused from now on; put back by hand it gets nowhere.
    agent.stop()
    renewed = (agent.tls / "cert.pem").read_text()
    (agent.tls / "cert.pem").write_text(old)
    assert "a newer certificate of this host is in use" in agent.command("check").stdout
    (agent.tls / "cert.pem").write_text(renewed)

    answer = collector.ask("POST", f"/agent/{HOST}/revoke")
    assert answer.json() == {"host_uuid": HOST, "certificates": 2}
    assert "was revoked on" in agent.command("check").stdout
    assert state_of(collector) == "revoked"
    assert "was revoked on" in one_line(agent.command("renew", "--now"))

    # Enrolment after a reinstall: nothing of the old root is left, the host's uuid is.
    for path in agent.tls.iterdir():
        path.unlink()
    assert agent.enroll(collector.web, collector.token(HOST)).returncode == 0
    agent.start()
    write_log(agent, "after the reinstall")
    until(lambda: stored(collector, "after the reinstall"), agent)
    whats = [what for what, _, outcome in collector.audit() if outcome == "done"]
    assert whats == ["enroll", "enroll", "renew", "revoke", "enroll", "enroll"]
    assert ("enroll", HOST, "refused") in collector.audit()


def state_of(collector: OwnCaCollector) -> str:
    """What the surfaces say of the host; they look every two seconds."""
    deadline = time.monotonic() + 20
    while (state := str(collector.ask("GET", f"/agent/{HOST}").json().get("state"))) != "revoked":
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return state


def retired(collector: OwnCaCollector) -> list[bool]:
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.connect() as connection:
        rows = connection.execute(select(CERTIFICATES.c.retired_at_us).order_by(CERTIFICATES.c.id)).scalars().all()
    engine.dispose()
    return [at is not None for at in rows]


def test_what_is_refused(collector: OwnCaCollector, agent: Dom0Agent, tmp_path: Path) -> None:
    token = collector.token(HOST)
    first, _, ca = token.rpartition(".")
    wrong_ca = f"{first}.{ca[::-1]}"
    assert "is not the collector that made this token" in one_line(agent.enroll(collector.web, wrong_ca))
    guessed = f"cw1.{'A' * 43}.{ca}"
    assert "this enrolment token is not known" in one_line(agent.enroll(collector.web, guessed))
    wrong_host = collector.token(OTHER)
    assert f"this enrolment token is for host {OTHER}" in one_line(agent.enroll(collector.web, wrong_host))
    assert "holds no enrolment token" in one_line(agent.enroll(collector.web, "hello"))
    assert "cannot be reached" in one_line(agent.enroll("localhost:1", token))
    assert "is no address" in one_line(agent.enroll("localhost", token))
    ingest = f"localhost:{collector.ingest_port}"
    assert "chainwatch-agent: " in one_line(agent.enroll(ingest, token))
    expire_tokens(collector)
    assert "this enrolment token has expired" in one_line(agent.enroll(collector.web, token))
    assert not (agent.tls / "cert.pem").exists()
    assert not (agent.tls / "key.pem.new").exists()
    assert registered(collector) == 0


def expire_tokens(collector: OwnCaCollector) -> None:
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.begin() as connection:
        connection.execute(ENROLMENT_TOKENS.update().values(expires_at_us=1))
    engine.dispose()


def registered(collector: OwnCaCollector) -> int:
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(HOSTS)).scalar_one()
    engine.dispose()
    return int(count)


def test_the_secret_is_not_said_to_a_stranger(agent: Dom0Agent, tmp_path: Path) -> None:
    """Another collector at the address of the token's: it has another CA, and hears no secret."""
    ours = OwnCaCollector(tmp_path / "ours")
    theirs = OwnCaCollector(tmp_path / "theirs")
    ours.start()
    try:
        token = ours.token(HOST)
    finally:
        ours.kill()
    theirs.start()
    try:
        assert "is not the collector that made this token" in one_line(agent.enroll(theirs.web, token))
        assert theirs.audit() == []
    finally:
        theirs.kill()


def test_a_web_port_with_a_certificate_of_another_ca(agent: Dom0Agent, tmp_path: Path) -> None:
    """A configured certificate is known by itself: the token carries its fingerprint."""
    public = Pki(tmp_path / "public", "a public CA").server()
    collector = OwnCaCollector(tmp_path / "collector")
    with collector.config.open("a") as config:
        config.write(f'certificate = "{public.certificate}"\nkey = "{public.key}"\n')
    collector.start()
    try:
        done = agent.enroll(collector.web, collector.token(HOST))
        assert done.returncode == 0, done.stderr
        assert (agent.tls / "web").read_text() == f"{collector.web} public\n"
        # Here the host's own list of CAs would have to know the public CA.
        agent.environment["SSL_CERT_FILE"] = str(tmp_path / "public" / "ca.pem")
        assert agent.command("renew", "--now").stdout.startswith("renewed until ")
    finally:
        collector.kill()


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_ten_minutes_off(
    collector: OwnCaCollector, agent: Dom0Agent, tmp_path: Path, minutes: int
) -> None:
    agent.environment["LD_PRELOAD"] = str(clock_shim(tmp_path, minutes * 60))
    assert agent.enroll(collector.web, collector.token(HOST)).returncode == 0
    agent.start()
    write_log(agent, "whatever the clock says")
    until(lambda: stored(collector, "whatever the clock says"), agent)
    assert abs(clock_skew_seconds(collector) - minutes * 60) < 60
    assert agent.command("renew", "--now").returncode == 0
    # The shim moves what a program reads, not what the kernel waits by: waits to a time of the day would not end.
    agent.kill()


def clock_skew_seconds(collector: OwnCaCollector) -> float:
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.connect() as connection:
        skew = connection.execute(select(HOSTS.c.clock_skew_us)).scalar_one()
    engine.dispose()
    return float(skew) / 1e6


def clock_shim(directory: Path, seconds: int) -> Path:
    """A library that shifts the wall clock of whatever loads it."""
    source, library = directory / "clock.c", directory / "clock.so"
    source.write_text(
        "#define _GNU_SOURCE\n#include <sys/syscall.h>\n#include <sys/time.h>\n#include <time.h>\n#include <unistd.h>\n"
        f"#define SHIFT ({seconds})\n"
        "int clock_gettime(clockid_t c, struct timespec *t) { int r = syscall(SYS_clock_gettime, c, t);"
        " if (c == CLOCK_REALTIME || c == CLOCK_REALTIME_COARSE) t->tv_sec += SHIFT; return r; }\n"
        "int gettimeofday(struct timeval *t, void *z) { int r = syscall(SYS_gettimeofday, t, z);"
        " t->tv_sec += SHIFT; return r; }\n"
        "time_t time(time_t *t) { time_t n = syscall(SYS_time, 0) + SHIFT; if (t) *t = n; return n; }\n"
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return library


def test_a_ca_rolls_over_under_a_running_agent(collector: OwnCaCollector, agent: Dom0Agent) -> None:
    assert agent.enroll(collector.web, collector.token(HOST)).returncode == 0
    agent.start()
    old = (collector.state / "tls/ca.pem").read_text()
    collector.stop()
    done = collector.command("new-ca")
    assert done.returncode == 0, done.stderr
    collector.start()
    bundle = (collector.state / "tls/ca.pem").read_text()
    assert bundle.endswith(old)
    assert bundle != old

    # An agent that knows the old CA alone still connects, and its certificate is still good.
    write_log(agent, "known by the old CA")
    until(lambda: stored(collector, "known by the old CA"), agent)
    # The daily renewal brings the new CA, long before a new certificate is due.
    assert "nothing to do" in agent.command("renew").stdout
    assert (agent.tls / "ca.pem").read_text() == bundle
    assert agent.command("renew", "--now").returncode == 0
    trusted = ssl.create_default_context(cadata=bundle.replace(old, ""))
    assert len(trusted.get_ca_certs()) == 1
    # A host that comes now is enrolled by the new CA, through a web port that still shows the old one's certificate.
    for path in agent.tls.iterdir():
        path.unlink()
    assert agent.enroll(collector.web, collector.token(HOST)).returncode == 0
    write_log(agent, "known by the new CA")
    until(lambda: stored(collector, "known by the new CA"), agent)
