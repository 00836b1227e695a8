"""What can be wrong with what `diagnose` was given."""

from __future__ import annotations


class DiagnoseError(Exception):
    """Bad input. `message` says what and where, `hint` the fix."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
