"""The live picture against the lab's xapi: after everything that happens to a pool it equals the server's."""

import threading

import pytest
from chainwatch_collector.inventory.picture import Picture
from collector.inventory.conftest import Followed
from lab.xapi.handle import LabPool
from lab.xapi.pool import XapiPool


def sessions(lab: LabPool) -> int:
    return lab.call(lambda pool: len(pool.sessions.open))


def test_the_first_picture_and_a_clean_end(lab: LabPool) -> None:
    followed = Followed(lab)
    assert followed.picture.problem.startswith("network: not asked yet")
    followed.follower.start()
    followed.until_equal()
    assert sessions(lab) == 1
    assert followed.follower.stop(20)
    assert sessions(lab) == 0
    assert lab.writes_called == []
    assert followed.pictures[0].pool is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("xenapi-")]


def test_adds_and_deletes(followed: Followed) -> None:
    followed.lab.do("burst_add", sr="nfs-1", count=300)
    followed.until_equal()
    followed.lab.do("burst_delete", count=200, prefix="burst")
    followed.until_equal()
    assert followed.follower.counters.full_fetches == 1


def test_a_burst_of_deletes_beyond_what_xapi_remembers(followed: Followed) -> None:
    followed.lab.do("burst_add", sr="nfs-1", count=2000)
    followed.until_equal()
    followed.lab.do("burst_delete", count=2000, prefix="burst")
    followed.until_equal()
    counters = followed.follower.counters
    assert counters.full_fetches == 1
    assert counters.repairs >= 1
    assert counters.repaired > 1000


def test_a_dropped_session_means_everything_anew(followed: Followed) -> None:
    followed.lab.do("drop_sessions")
    followed.lab.do("burst_add", sr="nfs-1", count=20)
    followed.until_equal()
    assert followed.follower.counters.full_fetches == 2
    assert sessions(followed.lab) == 1


@pytest.mark.parametrize("old_goes_down", [True, False])
def test_master_failover(followed: Followed, old_goes_down: bool) -> None:
    followed.lab.do("fail_over", to="xcp3", lost_generations=3, old_goes_down=old_goes_down)
    followed.lab.do("burst_add", sr="nfs-1", count=20)
    followed.until_equal()
    picture = followed.picture
    assert picture.pool is not None
    assert picture.hosts[picture.pool.master_ref or ""].name == "xcp3"
    assert picture.master_since is not None


def test_a_restart_of_xapi(followed: Followed) -> None:
    followed.lab.do("burst_delete", count=3)
    followed.lab.do("restart_xapi")
    followed.lab.do("burst_delete", count=3)
    followed.until_equal()


def test_a_half_open_connection(followed: Followed) -> None:
    before = followed.follower.counters.errors
    followed.lab.do("fault", silent=True)
    followed.lab.do("burst_add", sr="nfs-1", count=20)
    followed.until(lambda _: followed.follower.counters.errors > before, "the silence is noticed")
    followed.until(lambda picture: bool(picture.problem), "a problem is shown")
    followed.lab.do("heal")
    followed.until_equal()
    assert sessions(followed.lab) == 1


def test_a_body_that_breaks_off_continues_with_the_same_session(followed: Followed) -> None:
    logins = followed.follower.counters.logins
    followed.lab.do("fault", truncate={"event.from": 1})
    followed.lab.do("burst_add", sr="nfs-1", count=20)
    followed.until_equal()
    assert followed.follower.counters.logins == logins
    assert followed.follower.counters.full_fetches == 1
    assert sessions(followed.lab) == 1


def test_a_first_fetch_that_breaks_off(lab: LabPool) -> None:
    lab.do("fault", truncate={"VDI.get_all_records_where": 1, "VM.get_all_records": 1})
    followed = Followed(lab)
    followed.follower.start()
    followed.until_equal()
    assert followed.follower.stop(20)


def test_booting_and_emergency_mode(followed: Followed) -> None:
    followed.lab.do("fault", emergency=["HOST_STILL_BOOTING"])
    picture = followed.until(lambda picture: bool(picture.problem), "a problem is shown")
    assert picture.problem.startswith("booting: ")
    assert not picture.reachable
    assert picture.problem_since is not None
    assert picture.srs
    followed.lab.do("heal")
    followed.until_equal()


def test_a_refused_password_is_not_tried_again(lab: LabPool) -> None:
    lab.do("fault", failures={"session.login_with_password": ["SESSION_AUTHENTICATION_FAILED", "monitor", "x"]})
    followed = Followed(lab)
    followed.follower.start()
    followed.until(lambda picture: picture.problem.startswith("login: "), "the problem is shown")
    assert lab.methods_called["session.login_with_password"] == 1
    assert followed.follower.stop(20)
    assert lab.methods_called["session.login_with_password"] == 1


def test_a_role_that_may_not_read_says_so_and_leaves_no_session(lab: LabPool) -> None:
    lab.do("fault", denied=["event.from"])
    followed = Followed(lab)
    followed.follower.start()
    followed.until(lambda picture: picture.problem.startswith("role: "), "the problem is shown")
    assert "event.from" in followed.picture.problem
    assert followed.follower.stop(20)
    assert sessions(lab) == 0


def test_a_slave_in_the_configuration_leads_to_the_master(lab: LabPool) -> None:
    followed = Followed(lab, (f"{lab.addresses['xcp2']}:{lab.port}",))
    followed.follower.start()
    followed.until_equal()
    assert followed.follower.stop(20)


def test_another_pool_at_a_known_address_is_refused(lab: LabPool) -> None:
    before = Followed(lab)
    before.follower.start()
    before.until_equal()
    assert before.follower.stop(20)
    pool = before.picture.pool
    assert pool is not None
    lab.call(lambda server: server.database.set("pool", server.estate.pool_ref, uuid="another"))
    followed = Followed(lab, before=before.picture)
    assert followed.picture.srs == before.picture.srs
    followed.follower.start()
    picture = followed.until(lambda picture: picture.problem.startswith("other pool: "), "the problem is shown")
    assert picture.pool == pool
    assert followed.follower.stop(20)
    assert sessions(lab) == 0


def test_tasks_and_messages(followed: Followed) -> None:
    lab = followed.lab
    sr = lab.call(lambda pool: pool.estate.find("SR", "nfs-1"))
    uuid = lab.call(lambda pool: str(pool.database.get("SR", sr)["uuid"]))
    task = lab.call(lambda pool: pool.estate.begin_task("Garbage Collection", sr))
    message = lab.call(lambda pool: pool.messages.create("SM_GC_NO_SPACE", 3, "SR", uuid, "no room"))
    followed.until(lambda picture: task in picture.tasks, "the task is seen")
    assert followed.picture.tasks[task].applies_to_ref == sr
    followed.until(lambda picture: [m.name for m in picture.messages] == ["SM_GC_NO_SPACE"], "the message is seen")
    lab.call(lambda pool: pool.estate.end_task(task))
    followed.until(lambda picture: picture.tasks[task].status == "success", "its end is seen")
    lab.call(lambda pool: pool.database.destroy("task", task))
    lab.call(lambda pool: pool.messages.destroy(message))
    followed.until(lambda picture: not picture.tasks and not picture.messages, "both are gone")


def test_hosts_and_attachments(followed: Followed) -> None:
    followed.lab.do("set_enabled", host="xcp2", enabled=False)
    followed.lab.do("set_live", host="xcp3", live=False)
    followed.until_equal()
    hosts = {host.name: (host.enabled, host.live) for host in followed.picture.hosts.values()}
    assert hosts == {"xcp1": (True, True), "xcp2": (False, True), "xcp3": (True, False)}
    followed.lab.do("set_enabled", host="xcp2", enabled=True)
    picture = followed.until(lambda picture: bool(picture.host_enabled_since), "the change is dated")
    assert [picture.hosts[ref].name for ref in picture.host_enabled_since] == ["xcp2"]


def test_merges_keep_the_merged_sizes_right(followed: Followed) -> None:
    def merge_one(name: str) -> None:
        def run(pool: XapiPool) -> None:
            manager, sr = pool.storage, pool.estate.find("SR", name)
            manager.coalesce_inner(manager.pending_inner(sr)[0])

        followed.lab.call(run)

    def merged(picture: Picture) -> int:
        return sum(vdi.merged_blocks or 0 for vdi in picture.all_vdis())

    assert merged(followed.picture) > 0
    for name in ("nfs-1", "iscsi-1", "nfs-1"):
        merge_one(name)
        followed.until_equal()


def test_a_host_without_json_rpc(lab: LabPool) -> None:
    lab.do("fault", json_rpc=False)
    followed = Followed(lab)
    followed.follower.start()
    followed.until_equal()
    lab.do("burst_add", sr="nfs-1", count=20)
    lab.do("burst_delete", count=5)
    followed.until_equal()
    assert followed.follower.stop(20)


def test_stopping_while_nobody_answers(lab: LabPool) -> None:
    lab.do("fault", silent=True)
    followed = Followed(lab)
    followed.follower.start()
    assert followed.follower.stop(20)
