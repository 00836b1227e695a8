"""What happens to a pool as a whole: xapi restarts, the coordinator moves, sessions die, hosts go."""

from collections.abc import Callable
from typing import Any

from lab.xapi.faults import Faults
from lab.xapi.pool import XapiPool


async def restart_xapi(pool: XapiPool, host: str = "") -> None:
    """xapi restarts on the coordinator or `host`: connections cut; the coordinator forgets sessions and deletions."""
    server = pool.servers[pool.host(host)] if host else pool.coordinator
    if server is pool.coordinator:
        pool.sessions.drop_all()
        pool.database.restart()
        pool.messages.restart()
    await server.cut()


async def fail_over(pool: XapiPool, to: str, lost_generations: int = 0, old_goes_down: bool = False) -> None:
    """`to` becomes the coordinator with its own copy of the database, which may be older; the old one a slave of it."""
    old = pool.coordinator
    pool.sessions.drop_all()
    pool.database.restart(lost_generations)
    pool.messages.restart()
    pool.database.set("pool", pool.estate.pool_ref, master=pool.host(to))
    await old.cut()
    await pool.coordinator.cut()
    if old_goes_down:
        await old.stop()


def drop_sessions(pool: XapiPool) -> None:
    """Every session ends at once; blocked calls wake with SESSION_INVALID."""
    pool.sessions.drop_all()


async def power_off(pool: XapiPool, host: str) -> None:
    """A host vanishes: nothing listens, and after a while XenAPI says it is not live."""
    ref = pool.host(host)
    await pool.servers[ref].stop()
    set_live(pool, host, live=False)


async def power_on(pool: XapiPool, host: str) -> None:
    """It is back."""
    await pool.servers[pool.host(host)].start()
    set_live(pool, host, live=True)


def set_live(pool: XapiPool, host: str, live: bool) -> None:
    """host_metrics.live alone."""
    pool.database.set("host_metrics", pool.database.get("host", pool.host(host))["metrics"], live=live)


def set_enabled(pool: XapiPool, host: str, enabled: bool) -> None:
    """host.disable, host.enable."""
    pool.database.set("host", pool.host(host), enabled=enabled)


async def fault(pool: XapiPool, host: str = "", **changes: Any) -> None:
    """Set fields of `Faults` on one host or all; `heal` undoes them."""
    for server in _servers(pool, host):
        unknown = changes.keys() - vars(Faults()).keys()
        if unknown:
            raise TypeError(f"no fault {sorted(unknown)}; there are {sorted(vars(Faults()))}")
        for name, value in changes.items():
            setattr(server.faults, name, set(value) if name == "denied" else value)


async def heal(pool: XapiPool, host: str = "") -> None:
    """No fault; connections that a half-open host kept are cut, as its restart would."""
    for server in _servers(pool, host):
        was_silent = server.faults.silent
        server.faults.heal()
        if was_silent:
            await server.cut()


def forget_connections(pool: XapiPool, host: str = "") -> None:
    """Connections become half-open, as after a firewall's restart: open for the client, unknown to the server."""
    for server in _servers(pool, host):
        server.forget()


def _servers(pool: XapiPool, host: str) -> list[Any]:
    return [pool.servers[pool.host(host)]] if host else list(pool.servers.values())


ALL: tuple[Callable[..., Any], ...] = (
    restart_xapi,
    fail_over,
    drop_sessions,
    power_off,
    power_on,
    set_live,
    set_enabled,
    fault,
    forget_connections,
    heal,
)
