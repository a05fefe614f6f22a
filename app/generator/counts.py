"""Counts of the records of a run, with which every later layer can be compared."""

from collections import Counter
from dataclasses import dataclass, field

from app.topics import SOURCE_TOPICS


@dataclass(slots=True)
class TopicCounts:
    """Records of one topic: produced = stored + duplicates + dead-lettered."""

    produced: int = 0
    duplicates: int = 0
    conflicting: int = 0
    malformed: int = 0

    def expected(self) -> dict[str, int]:
        """Returns the expected counters of the ledger for these records."""
        return {
            "produced": self.produced,
            "stored": self.produced - self.duplicates - self.malformed,
            "duplicates": self.duplicates,
            "conflicting": self.conflicting,
            "dead_lettered": self.malformed,
        }


@dataclass(slots=True)
class Counts:
    """Counts per topic and per kind of injected fault, made when a record is yielded."""

    topics: dict[str, TopicCounts] = field(default_factory=lambda: {topic: TopicCounts() for topic in SOURCE_TOPICS})
    injected: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    forgiven: Counter[str] = field(default_factory=Counter)

    @property
    def produced(self) -> int:
        """Number of records of all topics."""
        return sum(topic.produced for topic in self.topics.values())

    def report(self) -> dict[str, object]:
        """Returns the counts as mappings for JSON, kinds in alphabetical order."""
        return {
            "topics": {name: topic.expected() for name, topic in self.topics.items()},
            "injected": dict(sorted(self.injected.items())),
            "malformed": dict(sorted(self.malformed.items())),
            "forgiven": dict(sorted(self.forgiven.items())),
        }
