"""Folds run on both databases."""

from collector.keep.conftest import store
from lab.databases import database, postgres_url

__all__ = ["database", "postgres_url", "store"]
