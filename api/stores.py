"""The interface of a store that the API depends on, and the error when one is down."""

from typing import Protocol

from app.errors import GlobalMartError


class StoreDownError(GlobalMartError):
    """A store does not answer; `store` is its name. The cause is chained and never sent to clients."""

    def __init__(self, store: str) -> None:
        super().__init__(f"{store} is not available at the moment; try again later")
        self.store = store


class Store(Protocol):
    """A dependency that /ready names."""

    @property
    def name(self) -> str:
        """The store's name for clients."""
        ...

    async def ping(self) -> None:
        """Returns when the store answers; raises StoreDownError."""
        ...
