"""Every test here gets a database of its own, and may ask for one with a shop's orders in it."""

from tests.api.marts import night, published_night
from tests.api.shop import shop
from tests.support.databases import database
from tests.support.warehouses import warehouse

__all__ = ["database", "night", "published_night", "shop", "warehouse"]
