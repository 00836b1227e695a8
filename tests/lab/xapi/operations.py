"""What a scenario can do to a pool, by name and with JSON arguments: for tests, the control port and the demo."""

import inspect
from collections.abc import Mapping
from typing import Any

from lab.xapi import actions, load, scenarios
from lab.xapi.pool import XapiPool
from lab.xapi.rpc_json import plain
from lab.xapi.values import Record

OPERATIONS: Mapping[str, Any] = {function.__name__: function for function in (*scenarios.ALL, *actions.ALL, *load.ALL)}


async def run(pool: XapiPool, name: str, arguments: Mapping[str, Any]) -> Any:
    """The operation's result. Raises `KeyError` for a name, `TypeError` for arguments that it does not have."""
    if name == "dump":
        return dump(pool)
    if name not in OPERATIONS:
        raise KeyError(f"no operation {name!r}; there are: dump, {', '.join(sorted(OPERATIONS))}")
    result = OPERATIONS[name](pool, **arguments)
    return await result if inspect.isawaitable(result) else result


def dump(pool: XapiPool) -> dict[str, dict[str, Record]]:
    """Class → reference → record as JSON, messages too; sessions are nobody's to see."""
    tables = {name: table.rows for name, table in pool.database.tables.items() if name != "session"}
    tables["message"] = pool.messages.rows
    return {name: {ref: plain(row.fields) for ref, row in rows.items()} for name, rows in tables.items()}
