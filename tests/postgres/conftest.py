"""Every test here gets a database of its own."""

from tests.support.databases import blank_database, database

__all__ = ["blank_database", "database"]
