"""A world per test, as the faults have it."""

from tests.faults.conftest import world

__all__ = ["world"]
