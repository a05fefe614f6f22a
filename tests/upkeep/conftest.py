"""Stores of their own and workers: what upkeep happens beside."""

from tests.faults.conftest import world

__all__ = ["world"]
