"""Sessions: in memory only, capped, gone after a while without use (xapi_session.ml, db_gc_util.ml)."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lab.xapi.database import Database
from lab.xapi.failures import XapiError, session_invalid
from lab.xapi.values import NULL, now

INACTIVE = timedelta(hours=24)
PER_ORIGINATOR = 500
WITHOUT_ORIGINATOR = 400


@dataclass(frozen=True)
class User:
    """An account. root is the local superuser; others would come from external authentication."""

    name: str
    password: str
    role: str = "pool-admin"


@dataclass
class Session:
    """One login."""

    ref: str
    user: User
    originator: str
    last_active: datetime


@dataclass
class Sessions:
    """All sessions of the coordinator. The caps and `inactive_after` are xapi's, a knob for tests.

    `clock`: aware UTC; `bad_password_seconds`: how long a refused login is held (xapi: 5 s).
    """

    database: Database
    users: dict[str, User]
    clock: Callable[[], datetime] = now
    inactive_after: timedelta = INACTIVE
    per_originator: int = PER_ORIGINATOR
    without_originator: int = WITHOUT_ORIGINATOR
    bad_password_seconds: float = 0.05
    open: dict[str, Session] = field(default_factory=dict)
    failed_logins: int = 0

    def authenticate(self, name: str, password: str) -> User:
        """Raises SESSION_AUTHENTICATION_FAILED; the caller waits before saying so."""
        user = self.users.get(name)
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            self.failed_logins += 1
            raise XapiError("SESSION_AUTHENTICATION_FAILED", name, "Authentication failure")
        return user

    def login(self, user: User, originator: str, host_ref: str) -> Session:
        """A new session; over the cap the least recently active of the same group go."""
        superuser = user.name == "root"
        ref = self.database.create(
            "session",
            this_host=host_ref,
            last_active=self.clock(),
            originator=originator,
            is_local_superuser=superuser,
            auth_user_name=user.name,
            rbac_permissions=[] if superuser else [user.role],
            subject=NULL,
        )
        session = Session(ref, user, originator, self.clock())
        self.open[ref] = session
        self._collect(session)
        return session

    def find(self, ref: str) -> Session:
        """The session, now active. Raises SESSION_INVALID."""
        session = self.open.get(ref)
        if session is None:
            raise session_invalid(ref)
        if self.clock() - session.last_active > self.inactive_after:
            self.drop(ref)
            raise session_invalid(ref)
        session.last_active = self.clock()
        return session

    def drop(self, ref: str) -> None:
        """Log out; an unknown one is nothing."""
        if self.open.pop(ref, None) is not None:
            self.database.destroy("session", ref)

    def drop_all(self) -> None:
        """As a restart of xapi does."""
        for ref in list(self.open):
            self.drop(ref)

    def _collect(self, newest: Session) -> None:
        def same_group(other: Session) -> bool:
            if newest.user.name != "root":
                return other.user.name == newest.user.name
            return other.user.name == "root" and other.originator == newest.originator

        group = [session for session in self.open.values() if same_group(session)]
        cap = self.per_originator if newest.originator or newest.user.name != "root" else self.without_originator
        group.sort(key=lambda session: session.last_active)
        for session in group[: max(0, len(group) - cap)]:
            self.drop(session.ref)
