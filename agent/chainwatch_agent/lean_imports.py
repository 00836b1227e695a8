"""Keeping modules out of memory that are imported wherever they are found, and that the daemon does not use."""

import sys
from contextlib import contextmanager
from typing import Iterator

# Of the agent's 42 MB (measured on Python 3.6) asyncio's TLS is 4, and grpc has one of its own; shutil's archives 0.3.
_UNUSED = ("ssl", "bz2", "lzma")


@contextmanager
def without_unused() -> Iterator[None]:
    """What is imported inside finds none of them and does without, as on a Python that was built so."""
    hidden = [name for name in _UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
