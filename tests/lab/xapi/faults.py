"""What may be wrong with a host's xapi or the way to it: set by a test, obeyed by the server."""

from dataclasses import dataclass, field


@dataclass
class Faults:
    """Nothing is wrong by default. Method names as called, `*` for all."""

    delay_seconds: dict[str, float] = field(default_factory=dict)
    """Method → how long its answer takes."""
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Method → the ErrorDescription that it answers with."""
    denied: set[str] = field(default_factory=set)
    """Methods that answer RBAC_PERMISSION_DENIED whatever the role."""
    silent: bool = False
    """Half-open: connections stay, requests are read, no byte comes back."""
    down: bool = False
    """xapi is down and stunnel up: TLS succeeds, then the connection closes."""
    truncate: dict[str, int] = field(default_factory=dict)
    """Method → how many of its next answers break off in the middle of the body."""
    http_status: dict[str, int] = field(default_factory=dict)
    """Method → an HTTP status instead of an answer."""
    json_rpc: bool = True
    """False: as before XenServer 7.3, /jsonrpc is nothing of its own and answers XML."""
    emergency: list[str] = field(default_factory=list)
    """Emergency mode: the failure of every call, such as HOST_STILL_BOOTING."""

    rates: dict[str, float] = field(default_factory=dict)
    """Part of the name of a data source → the value that /rrd_updates tells; no fault, but set like one."""

    def delay(self, method: str) -> float:
        return self.delay_seconds.get(method, self.delay_seconds.get("*", 0.0))

    def failure(self, method: str) -> list[str]:
        return self.failures.get(method, self.failures.get("*", []))

    def status(self, method: str) -> int:
        return self.http_status.get(method, self.http_status.get("*", 0))

    def truncates(self, method: str) -> bool:
        """Whether this answer breaks off; counts it."""
        for name in (method, "*"):
            if self.truncate.get(name, 0) > 0:
                self.truncate[name] -= 1
                return True
        return False

    def heal(self) -> None:
        """All well again."""
        fresh = Faults()
        self.__dict__.update(fresh.__dict__)
