"""Tests of the desk that store something get a database of their own."""

from tests.support.databases import database

__all__ = ["database"]
