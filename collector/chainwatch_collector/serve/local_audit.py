"""What is done on the collector's own machine, past the API, in the audit log: by whom, as far as Unix tells."""

import os
import pwd
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.people import AuditIn, add_audit
from chainwatch_collector.serve.composition import StartError

_MOST_CHARACTERS: Final = 500
_UNIX_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")


def local_user(uid: int) -> str:
    """`local:NAME`; no account can be called so: names of accounts have no colon."""
    try:
        return f"local:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"local:{uid}"


def by_sudo(environment: Mapping[str, str]) -> str:
    """Who called sudo, for the detail alone: whoever may run as this user may also claim to be somebody else."""
    user = environment.get("SUDO_USER", "")
    return f"; by sudo of {user}" if _UNIX_NAME.fullmatch(user) else ""


def record(engine: Engine, what: str, subject: str, detail: str) -> None:
    """One entry of what was done. Raises `StartError`, which says that it was, where the database does not take it."""
    told = f"{detail[:_MOST_CHARACTERS]}{by_sudo(os.environ)}"
    entry = AuditIn(datetime.now(UTC), local_user(os.getuid()), what, subject, None, "done", told)
    try:
        with engine.begin() as connection:
            add_audit(connection, entry)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().split("\n", 1)[0]
        raise StartError(f"{detail}; but it is not in the audit log: {reason}") from None
