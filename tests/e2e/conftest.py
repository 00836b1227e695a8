"""Real processes together."""

from pathlib import Path

import pytest
from lab.databases import postgres_url
from lab.pki import Pki

__all__ = ["pki", "postgres_url"]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """One CA for all."""
    return Pki(Path(tmp_path_factory.mktemp("pki")))
