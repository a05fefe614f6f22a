"""Stores, their API and the dashboard over it, all real; see `running.py`."""

from tests.api.dashboard.running import dashboard
from tests.api.marts import night
from tests.api.shop import shop
from tests.databases import database
from tests.warehouses import warehouse

__all__ = ["dashboard", "database", "night", "shop", "warehouse"]
