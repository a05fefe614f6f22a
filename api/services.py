"""What the routes share, made once per process by the factory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from api.doorbell import Doorbell
from api.keys import KeyRing
from api.metrics import ApiMetrics
from api.postgres import Database
from api.shared import Shared
from api.stores import Store
from app.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class Services:
    """Stores, limits and clock; `now` answers aware UTC."""

    settings: ApiSettings
    database: Database
    doorbell: Doorbell
    keys: KeyRing
    metrics: ApiMetrics
    stores: Sequence[Store]
    now: Callable[[], datetime]
    live: Shared[dict[str, object]] = field(default_factory=Shared)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


UsesServices = Annotated[Services, Depends(_services)]
