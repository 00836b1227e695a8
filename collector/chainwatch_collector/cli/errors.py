"""How the operators' command fails: one line that says what and where, one that says what to type next."""

from collections.abc import Sequence
from typing import Final

UNKNOWN_EXIT: Final = 3


class CliError(Exception):
    """A user-visible failure. `hint` is the next thing to try; `exit_code` 3 means "cannot tell"."""

    def __init__(
        self, message: str, hint: str | None = None, exit_code: int = UNKNOWN_EXIT, candidates: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.candidates = tuple(candidates)

    def render(self) -> str:
        lines = [f"Error: {self.message}", *(f"  {one}" for one in self.candidates)]
        if self.hint:
            lines.append(f"HINT: {self.hint}")
        return "\n".join(lines)
