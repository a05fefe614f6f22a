"""What the API asks of a store it depends on, and the error when one is down."""

from typing import Protocol

from app.errors import GlobalMartError


class StoreDownError(GlobalMartError):
    """A store does not answer; `store` is its name. The cause is chained and never told to clients."""

    def __init__(self, store: str) -> None:
        super().__init__(f"{store} is not available at the moment; try again later")
        self.store = store


class Store(Protocol):
    """A dependency that /ready names."""

    @property
    def name(self) -> str:
        """As it is told to clients."""
        ...

    async def ping(self) -> None:
        """Return when the store answers; raises StoreDownError."""
        ...
