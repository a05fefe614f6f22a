"""Stores of their own and a worker: what refused records live in."""

from tests.faults.conftest import world

__all__ = ["world"]
