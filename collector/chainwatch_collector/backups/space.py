"""How much room a mounted remote has. A dead filer never answers: each path has a thread that may be left waiting."""

import os
import threading
from collections.abc import Iterable
from typing import Final

from chainwatch_collector.backups.jobs import Remote
from chainwatch_collector.backups.seen import TargetSeen

PATIENCE_SECONDS: Final = 5.0


class TargetSpace:
    """`look` at the paths of remotes; one that did not answer is asked again when its thread came back."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = patience_seconds
        self._waiting: dict[str, threading.Thread] = {}
        self._answers: dict[str, tuple[int, int] | str] = {}

    def look(self, remotes: Iterable[Remote]) -> dict[str, TargetSeen]:
        """Remote uuid → its space; blocks for the patience at most once for all that are dead."""
        mounted = {remote.uuid: remote for remote in remotes if remote.path}
        started = []
        for path in {remote.path for remote in mounted.values()}:
            waiting = self._waiting.get(path)
            if waiting is None or not waiting.is_alive():
                self._answers.pop(path, None)
                thread = threading.Thread(target=self._ask, args=(path,), name="remote-space", daemon=True)
                self._waiting[path] = thread
                thread.start()
                started.append(thread)
        for thread in started:
            thread.join(self._patience / max(1, len(started)) if len(started) > 4 else self._patience)
        return {uuid: self._seen(remote) for uuid, remote in mounted.items()}

    def _ask(self, path: str) -> None:
        try:
            found = os.statvfs(path)
            self._answers[path] = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
        except OSError as error:
            self._answers[path] = f"not observable: {path}: {error.strerror}"

    def _seen(self, remote: Remote) -> TargetSeen:
        answer = self._answers.get(remote.path, f"not observable: {remote.path} does not answer")
        if isinstance(answer, str):
            return TargetSeen(uuid=remote.uuid, name=remote.name, problem=answer)
        return TargetSeen(uuid=remote.uuid, name=remote.name, free_bytes=answer[0], size_bytes=answer[1])
