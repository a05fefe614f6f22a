"""Stores of their own and workers: what upkeep happens beside."""

from tests.databases import database
from tests.faults.conftest import world

__all__ = ["database", "world"]
