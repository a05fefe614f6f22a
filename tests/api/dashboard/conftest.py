"""Stores, their API and the dashboard over it, all real, made once; see `running.py`."""

from tests.api.dashboard.running import address, dashboard, shown
from tests.support.databases import database

__all__ = ["address", "dashboard", "database", "shown"]
