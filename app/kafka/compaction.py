"""Topics that compact: Kafka keeps the newest record of each key there and deletes the others, orders like any.

The deleted offsets look to every client like those of Kafka's own marks, so nobody would notice.
"""

from collections.abc import Iterable, Mapping
from typing import Final

CLEANUP_POLICY: Final = "cleanup.policy"
_COMPACT: Final = "compact"


def compacting(policies: Mapping[str, str], topics: Iterable[str]) -> list[str]:
    """Those of the topics whose policy compacts, alone or beside deletion by age."""
    return [name for name in topics if _COMPACT in policies.get(name, "").split(",")]


def compacts(policies: Mapping[str, str], names: Iterable[str]) -> str:
    """What is wrong with these topics."""
    return ", ".join(f"{name} has {CLEANUP_POLICY}={policies[name]}" for name in names)


def cure(names: Iterable[str]) -> str:
    """How to set it right."""
    topics = ", ".join(names)
    return (
        f"set {CLEANUP_POLICY}=delete on {topics} (kafka-configs.sh --alter --entity-type topics --entity-name TOPIC "
        f"--add-config {CLEANUP_POLICY}=delete); what Kafka has deleted already, its producers must send again"
    )
