"""Everything that can happen to a pool, in any order: in the end the picture is the server's; nothing was written."""

import random
import time

import pytest
from collector.inventory.conftest import Followed

STEPS = 15


def one_thing(followed: Followed, chance: random.Random, number: int) -> None:
    lab = followed.lab
    hosts = ["xcp1", "xcp2", "xcp3"]
    match chance.randrange(9):
        case 0:
            lab.do(
                "burst_add", sr=chance.choice(["nfs-1", "iscsi-1"]), count=chance.randrange(1, 60), prefix=f"b{number}-"
            )
        case 1:
            lab.do("burst_delete", count=chance.randrange(1, 20))
        case 2:
            lab.do("drop_sessions")
        case 3:
            lab.do("fail_over", to=chance.choice(hosts), lost_generations=chance.randrange(4))
        case 4:
            lab.do("restart_xapi")
        case 5:
            lab.do("fault", truncate={chance.choice(["event.from", "VDI.get_all_records_where", "*"]): 1})
        case 6:
            lab.do("fault", silent=True)
            time.sleep(chance.random() / 2)
            lab.do("heal")
        case 7:
            lab.do("fault", emergency=["HOST_STILL_BOOTING"])
            time.sleep(chance.random() / 4)
            lab.do("heal")
        case _:
            lab.do("set_enabled", host=chance.choice(hosts), enabled=chance.random() < 0.5)
    time.sleep(chance.random() / 5)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_in_any_order(followed: Followed, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(STEPS):
        one_thing(followed, chance, number)
    followed.lab.do("heal")
    followed.until_equal()
