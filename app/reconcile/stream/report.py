"""The report of the recount: figures expected and found, and the mismatches up to a limit."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

#: Columns of the ledger that the recount computes.
COUNTERS: Final = ("consumed", "stored", "duplicates", "conflicting", "dead_lettered", "late", "rounded", "assumed_utc")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A mismatch: its kind, and a sentence that names the row."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class LostRange:
    """Offsets [start, end) below the ledger that Kafka has deleted."""

    topic: str
    partition: int
    start: int
    end: int


@dataclass(slots=True)
class TopicFigures:
    """Per topic, summed over partitions: ledger counters expected and found, and rows found."""

    expected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    rows: int = 0
    rejected_by_database: int = 0


@dataclass(slots=True)
class TableFigures:
    """Rows of a derived table (panes, rollups, windows, copies): expected, found, differing."""

    expected: int = 0
    found: int = 0
    mismatches: int = 0


@dataclass(slots=True)
class ReconcileReport:
    """The report; `mismatches` has the first `limit`, `total_mismatches` counts all of them."""

    limit: int = 100
    topics: dict[str, TopicFigures] = field(default_factory=dict)
    tables: dict[str, TableFigures] = field(default_factory=dict)
    anomalies: dict[str, TableFigures] = field(default_factory=dict)
    lost_ranges: list[LostRange] = field(default_factory=list)
    compacting: list[str] = field(default_factory=list)
    mismatches: list[Mismatch] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    awaiting_publication: dict[str, int] = field(default_factory=dict)
    reduced_copies: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def total_mismatches(self) -> int:
        """Number of all mismatches, listed or not."""
        return sum(self.kinds.values())

    @property
    def agrees(self) -> bool:
        """Whether everything that could be recounted agrees."""
        return not self.kinds

    @property
    def complete(self) -> bool:
        """Whether Kafka still had every record up to the ledger, and no source topic is compacted."""
        return not self.lost_ranges and not self.compacting

    def disagree(self, kind: str, message: str) -> None:
        """Records a mismatch."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if len(self.mismatches) < self.limit:
            self.mismatches.append(Mismatch(kind, message))

    def topic(self, name: str) -> TopicFigures:
        """Returns the figures of a topic, created on first use."""
        return self.topics.setdefault(name, TopicFigures())

    def table(self, name: str) -> TableFigures:
        """Returns the figures of a derived table, created on first use."""
        return self.tables.setdefault(name, TableFigures())

    def anomaly(self, anomaly_type: str) -> TableFigures:
        """Returns the figures of an anomaly type, created on first use."""
        return self.anomalies.setdefault(anomaly_type, TableFigures())

    def to_dict(self) -> Mapping[str, Any]:
        """Returns plain data with the verdict first."""
        verdict = {"agrees": self.agrees, "complete": self.complete, "total_mismatches": self.total_mismatches}
        return verdict | asdict(self)

    def to_json(self) -> str:
        """Returns the whole report as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
