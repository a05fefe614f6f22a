"""Compacted topics: Kafka keeps only the newest record of each key there, so a source topic would lose orders.

To clients the deleted offsets are the same as those of transaction markers: the loss would go unnoticed.
"""

from collections.abc import Iterable, Mapping
from typing import Final

CLEANUP_POLICY: Final = "cleanup.policy"
_COMPACT: Final = "compact"


def compacted(policies: Mapping[str, str], topics: Iterable[str]) -> list[str]:
    """Returns the topics that are compacted, with or without deletion by age."""
    return [name for name in topics if _COMPACT in policies.get(name, "").split(",")]


def describe(policies: Mapping[str, str], names: Iterable[str]) -> str:
    """Describes the wrong setting of these topics."""
    return ", ".join(f"{name} has {CLEANUP_POLICY}={policies[name]}" for name in names)


def fix(names: Iterable[str]) -> str:
    """Returns the commands that correct it."""
    topics = ", ".join(names)
    return (
        f"set {CLEANUP_POLICY}=delete on {topics} (kafka-configs.sh --alter --entity-type topics --entity-name TOPIC "
        f"--add-config {CLEANUP_POLICY}=delete); what Kafka has deleted already, its producers must send again"
    )
