"""Where one host's certificate is pinned, the others' are learned over the session that it made trusted."""

from pathlib import Path

import pytest
from chainwatch_collector.inventory.member_certificates import member_fingerprints
from chainwatch_collector.inventory.tls import Trust, parse_fingerprint
from collector.inventory.conftest import RHYTHM, Followed
from collector.inventory.test_fetch import logged_in
from lab.xapi.handle import LabPool
from lab.xapi.pool import XapiPool


def fingerprint_of(lab: LabPool, host: str) -> str:
    return parse_fingerprint(lab.call(lambda pool: pool.servers[pool.host(host)].certificate.fingerprint))


def pinned_to(lab: LabPool, host: str) -> Trust:
    return Trust(fingerprints=frozenset({fingerprint_of(lab, host)}))


def other_certificate(pool: XapiPool, host: str, **fields: str) -> None:
    """What XenAPI says of a host's certificate becomes otherwise."""
    (ref,) = pool.database.get("host", pool.host(host))["certificates"]
    pool.database.set("Certificate", ref, **fields)


def test_the_certificates_of_the_hosts(lab: LabPool) -> None:
    session = logged_in(lab)
    assert set(member_fingerprints(session).values()) == {fingerprint_of(lab, f"xcp{number}") for number in (1, 2, 3)}
    lab.call(lambda pool: other_certificate(pool, "xcp2", type="host_internal"))
    lab.call(lambda pool: other_certificate(pool, "xcp3", fingerprint="unknown"))
    assert set(member_fingerprints(session).values()) == {fingerprint_of(lab, "xcp1")}
    lab.do("fault", failures={"Certificate.get_all_records": ["MESSAGE_METHOD_UNKNOWN", "Certificate.get_all_records"]})
    assert member_fingerprints(session) == {}
    session.logout()


@pytest.mark.parametrize("old_goes_down", [True, False])
def test_a_failover_needs_nobody(lab: LabPool, old_goes_down: bool) -> None:
    followed = Followed(lab, trust=pinned_to(lab, "xcp1"))
    followed.follower.start()
    followed.until_equal()
    followed.until(lambda _: bool(followed.learned), "certificates are learned")
    lab.do("fail_over", to="xcp3", old_goes_down=old_goes_down)
    lab.do("burst_add", sr="nfs-1", count=5)
    followed.until_equal()
    assert followed.learned == [frozenset(fingerprint_of(lab, f"xcp{number}") for number in (1, 2, 3))]
    assert followed.follower.stop(20)


def test_a_host_whose_certificate_was_not_told_is_not_trusted(lab: LabPool) -> None:
    lab.call(lambda pool: other_certificate(pool, "xcp3", fingerprint=":".join(["AB"] * 32)))
    followed = Followed(lab, trust=pinned_to(lab, "xcp1"))
    followed.follower.start()
    followed.until(lambda _: bool(followed.learned), "certificates are learned")
    lab.do("fail_over", to="xcp3", old_goes_down=True)
    picture = followed.until(lambda picture: picture.problem.startswith("tls: "), "the problem is shown")
    assert f"its certificate is not pinned: sha256 {fingerprint_of(lab, 'xcp3')}" in picture.problem
    assert followed.follower.stop(20)


def test_a_renewed_certificate_is_learned_and_the_old_one_forgotten(lab: LabPool) -> None:
    followed = Followed(lab, trust=pinned_to(lab, "xcp1"), rhythm=RHYTHM._replace(certificates=0.1))
    followed.follower.start()
    followed.until(lambda _: bool(followed.learned), "certificates are learned")
    lab.call(lambda pool: other_certificate(pool, "xcp3", fingerprint=":".join(["AB"] * 32)))
    followed.until(lambda _: len(followed.learned) > 1, "the new one is learned")
    assert followed.learned[-1] ^ followed.learned[0] == {"ab" * 32, fingerprint_of(lab, "xcp3")}
    assert followed.follower.stop(20)


@pytest.mark.parametrize("mode", ["ca", "insecure"])
def test_without_pins_nothing_is_learned(lab: LabPool, mode: str) -> None:
    trust = Trust(insecure=True) if mode == "insecure" else Trust(ca_file=Path(lab.ca_file))
    followed = Followed(lab, trust=trust, rhythm=RHYTHM._replace(certificates=0.0))
    followed.follower.start()
    followed.until_equal()
    lab.do("burst_add", sr="nfs-1", count=1)
    followed.until_equal()
    assert followed.follower.stop(20)
    assert followed.learned == []
    assert "Certificate.get_all_records" not in lab.methods_called


def test_a_pool_that_does_not_tell_is_followed_all_the_same(lab: LabPool) -> None:
    lab.do("fault", denied=["Certificate.get_all_records"])
    followed = Followed(lab, trust=pinned_to(lab, "xcp1"), rhythm=RHYTHM._replace(certificates=0.0))
    followed.follower.start()
    followed.until_equal()
    followed.until(lambda _: lab.methods_called.get("Certificate.get_all_records", 0) > 2, "it is asked")
    assert (followed.learned, followed.follower.counters.errors) == ([], 0)
    assert followed.follower.stop(20)


def test_what_was_learned_is_no_trust_without_a_pin() -> None:
    assert not Trust(learned=frozenset({"0" * 64})).learns
    assert not Trust(insecure=True, fingerprints=frozenset({"0" * 64})).learns
