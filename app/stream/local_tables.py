"""Faust tables whose changelog is PostgreSQL.

They are declared, listed and monitored like any Faust table, but write no changelog topic: each write would cost
about 250 us and could be stale. Their content is a function of the rows in PostgreSQL and is rebuilt from there.
"""

import asyncio
from typing import Any

from faust.tables import TableManager
from faust.tables.table import Table
from faust.types.tables import CollectionT


class LocalTable(Table):
    """A table in this worker's memory."""

    async def on_start(self) -> None:
        """Starts the store; there is no topic to declare."""
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: Any, value: Any) -> None:
        """Notifies the sensors."""
        self._sensor_on_set(self, key, value)

    def on_key_del(self, key: Any) -> None:
        """Notifies the sensors."""
        self._sensor_on_del(self, key)


class LocalTableManager(TableManager):
    """Starts tables without subscribing to changelogs."""

    def add(self, table: CollectionT) -> CollectionT:
        """Registers the table by name."""
        if table.name in self:
            raise ValueError(f"table {table.name!r} already exists")
        self[table.name] = table
        return table

    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        await asyncio.sleep(0)
        self._tables_registered.set()
