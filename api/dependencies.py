"""The objects that the routes share, created once per process by the factory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from api.api_metrics import ApiMetrics
from api.cache import Cache
from api.desk import Desk
from api.keys import KeyRing
from api.postgres_reader import Database
from api.rule_tester import RuleTester
from api.run_follower import Warehouse
from api.sse import Notifications
from api.stores import Store
from app.settings import ApiSettings

#: Answers of the current second: all countries, and those that are looked at.
_LIVE_ANSWERS: Final = 64


@dataclass(frozen=True, slots=True)
class Services:
    """Stores, limits and clock; the desk changes, all others read.

    `now` answers aware UTC, `var_dir` is where data are kept, `past` are sums of days before today.
    """

    settings: ApiSettings
    database: Database
    desk: Desk
    notifications: Notifications
    keys: KeyRing
    metrics: ApiMetrics
    warehouse: Warehouse
    past: Cache
    var_dir: Path
    now: Callable[[], datetime]
    rule_tester: RuleTester
    live: Cache = field(default_factory=Cache)
    minutes: Cache = field(default_factory=lambda: Cache(_LIVE_ANSWERS))
    operations: Cache = field(default_factory=Cache)
    sizes: Cache = field(default_factory=Cache)

    @property
    def stores(self) -> Sequence[Store]:
        """The stores that /ready checks."""
        return self.database, self.warehouse


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


UsesServices = Annotated[Services, Depends(_services)]
