"""The size of a night, and how Spark runs one: a small night costs what Spark plans and compiles, not what it counts.

Up to `small_rows` events there is one plan per mart, made once and with few partitions. A larger night's plans adapt
to what their first stages found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from app.settings import BatchSettings
from batch.manifest import Manifest

#: Events that one partition of a shuffle holds easily.
_PARTITION_ROWS: Final = 250_000


@dataclass(frozen=True, slots=True)
class NightSize:
    """The number of events that a night reads, and the settings' view of it."""

    rows: int
    settings: BatchSettings

    @classmethod
    def of(cls, manifest: Manifest, as_of: date, settings: BatchSettings) -> Self:
        """Returns the size of the night that reads this lake up to and including `as_of`."""
        return cls(manifest.rows(as_of), settings)

    @property
    def small(self) -> bool:
        """Whether the night has at most `small_rows` events."""
        return self.rows <= self.settings.small_rows

    @property
    def options(self) -> Mapping[str, str]:
        """Returns Spark's options for the night; they can be set in a running session."""
        fewest = min(self.settings.cores, self.settings.shuffle_partitions)
        wanted = max(fewest, -(-self.rows // _PARTITION_ROWS))
        partitions = min(wanted, self.settings.shuffle_partitions) if self.small else self.settings.shuffle_partitions
        return {
            "spark.sql.adaptive.enabled": str(not self.small).lower(),
            "spark.sql.shuffle.partitions": str(partitions),
        }
