"""What is measured here is the work alone."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def no_collections() -> Iterator[None]:
    """A full collection goes through all that the other tests of the process left: a second, and none of a line's."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
