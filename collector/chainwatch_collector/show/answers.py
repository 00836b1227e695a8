"""The answer as the surfaces see it: the attributes of interfaces.md section 3, structurally."""

from collections.abc import Sequence
from typing import Any, Protocol


class Answer(Protocol):
    """One pool's answer."""

    @property
    def findings(self) -> Sequence[Any]: ...

    @property
    def verdicts(self) -> Sequence[Any]: ...

    @property
    def srs(self) -> Sequence[Any]: ...

    @property
    def runs(self) -> Sequence[Any]: ...

    def to_json(self) -> dict[str, Any]: ...
