"""Compares anomaly rows with the recount, and their and the dead letters' copies in Kafka."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.kafka.reader import KafkaReader, Record
from app.reconcile.stream.erasures import Erasures
from app.reconcile.stream.expected_store import Anomaly, ExpectedStore
from app.reconcile.stream.json_values import MalformedError, parse
from app.reconcile.stream.judgements import differences
from app.reconcile.stream.merge_join import merge
from app.reconcile.stream.report import LostRange, ReconcileReport
from app.reconcile.stream.snapshot import Snapshot
from app.topics import ANOMALIES, DEAD_LETTERS

#: Columns of `transaction_anomalies` that are compared, in the order of `expected_store.Anomaly`.
_COLUMNS: Final = (
    "transaction_id",
    "anomaly_type",
    "user_id",
    "amount",
    "anomaly_score",
    "description",
    "event_time",
    "threshold",
    "rule_version",
    "severity",
    "suppressed",
    "source_partition",
    "source_offset",
)
#: Those that every anomaly has: the others are not known of one from before the desk.
_FIRST_COLUMNS: Final = _COLUMNS[:8]
_COPIED_TEXTS: Final = ("transaction_id", "anomaly_type", "user_id", "description")
_COPIED_VERDICT: Final = ("rule_version", "severity", "suppressed", "risk_score", "action")
_COPIED_DECIMALS: Final = ("amount", "anomaly_score", "threshold")
#: Header of a copy that Kafka rejected as a whole, and the prefix of its content here.
_LEFT_OUT: Final = "left_out"
_REDUCED: Final = b"reduced "
_TABLES: Final[Mapping[str, str]] = {ANOMALIES: "transaction_anomalies", DEAD_LETTERS: "dead_letters"}


class Outbox:
    """The copies in the two output topics, and the publisher's progress.

    Anomalies of orders before `from_us` are not compared.
    """

    def __init__(
        self,
        expected_store: ExpectedStore,
        snapshot: Snapshot,
        report: ReconcileReport,
        erasures: Erasures,
        from_us: int | None = None,
    ) -> None:
        self._expected_store = expected_store
        self._snapshot = snapshot
        self._report = report
        self._erasures = erasures
        self._from_us = from_us
        self._published: dict[str, int] = {}
        self._truncated: set[str] = set()

    async def load(self, kafka: KafkaReader) -> None:
        """Reads the publisher's progress and every copy in Kafka."""
        for stream, identify in ((ANOMALIES, self._anomaly_copy), (DEAD_LETTERS, _dead_letter_copy)):
            await self._load_progress(stream)
            for partition in await kafka.partitions(stream):
                low, high = await kafka.bounds(stream, partition)
                if low > 0:
                    self._truncated.add(stream)
                    self._report.lost_ranges.append(LostRange(stream, partition, 0, low))
                async for batch in kafka.read(stream, partition, low, high):
                    self._expected_store.add_copies([(stream, *identify(record)) for record in batch])
        self._expected_store.index_copies()

    def _anomaly_copy(self, record: Record) -> tuple[str, bytes]:
        name = (record.key or b"").decode("utf-8", "replace")
        if _LEFT_OUT in dict(record.headers):
            return name, _REDUCED
        try:
            document = parse(record.value or b"")
            document["user_id"] = self._erasures.name(document["user_id"])
            return name, _verdict_content(document) + _anomaly_content(document)
        except (MalformedError, LookupError, TypeError, ArithmeticError):
            return name, b"unreadable"

    async def compare_anomalies(self) -> None:
        """Compares every anomaly row, field by field, and its copy."""
        found = self._snapshot.stream(
            f"SELECT {', '.join(f'a.{name}' for name in _COLUMNS)}, a.position, v.risk_score, v.action "
            "FROM transaction_anomalies AS a LEFT JOIN verdicts AS v USING (transaction_id) "
            'ORDER BY a.transaction_id COLLATE "C", a.anomaly_type COLLATE "C"'
        )
        async for expected, row in merge(self._expected_store.anomalies(), found, _pair, _pair):
            if self._is_comparable(expected, row):
                self._compare_anomaly(expected, row)
            if row is not None:
                name = f"{row['transaction_id']}:{row['anomaly_type']}"
                content = _anomaly_content(row)
                if row["source_offset"] is not None:
                    content = _verdict_content(row) + content
                self._check_copy(ANOMALIES, row["position"], name, content)

    async def compare_dead_letter_copies(self) -> None:
        """Compares the copy of every dead letter; the rows themselves are compared with their partition.

        Kafka accepts no record without key and value: such a row's copy has an empty value. Copies made before a dead
        letter was erased still have its bytes.
        """
        async for row in self._snapshot.stream("SELECT * FROM dead_letters ORDER BY id"):
            name = f"{row['source_topic']}[{row['source_partition']}]@{row['source_offset']}"
            key, value = row["key"], row["value"]
            copied = b"" if key is value is None else value
            ending = (row["reason"], row["stage"])
            reduced = tuple(
                _REDUCED + _content(left_out, str(len(value or b"")), kept, *ending)
                for left_out, kept in (("value", key), ("key,value", None))
            )
            content = _content(key, copied, *ending)
            if row["erased"]:
                content, reduced = _content(*ending)[1:], ()
            self._check_copy(DEAD_LETTERS, row["position"], name, content, reduced)

    async def _load_progress(self, stream: str) -> None:
        row = await self._snapshot.row(
            "SELECT numbered_position, published_position, "
            f"(SELECT coalesce(max(position), 0) FROM {_TABLES[stream]}) AS highest "
            "FROM outbox_progress WHERE stream = $1",
            stream,
        )
        if row is None:
            self._report.disagree("outbox", f"outbox_progress has no row for {stream}")
            return
        self._published[stream] = row["published_position"]
        if row["highest"] > row["numbered_position"]:
            text = f"a row has position {row['highest']}, the progress is {row['numbered_position']}"
            self._report.disagree("outbox", f"{stream}: {text}")

    def _is_comparable(self, expected: Anomaly | None, row: Any) -> bool:
        """Whether no order that counts for it may have been deleted in both stores."""
        if self._from_us is None:
            return True
        time_us: int = row["event_time"] if expected is None else expected.time_us
        return time_us >= self._from_us

    def _compare_anomaly(self, expected: Anomaly | None, row: Any) -> None:
        _, kind = _pair(expected or row)
        tally = self._report.anomaly(kind)
        tally.expected += expected is not None
        tally.found += row is not None
        found = _differences(expected, row)
        tally.mismatches += bool(found)
        for difference in found:
            name = ":".join(_pair(expected or row))
            self._report.disagree("anomaly", f"anomaly {name}: {difference}")

    def _check_copy(
        self, stream: str, position: int | None, name: str, content: bytes, reduced: tuple[bytes, ...] = (_REDUCED,)
    ) -> None:
        """Checks that the copy exists; `reduced` are the contents of copies that Kafka accepted in part."""
        if position is None or position > self._published.get(stream, 0):
            waiting = self._report.awaiting_publication
            waiting[stream] = waiting.get(stream, 0) + 1
            return
        copies = self._expected_store.copies(stream, name)
        tally = self._report.table(f"copies of {stream}")
        tally.expected += 1
        tally.found += bool(copies)
        if not copies and stream in self._truncated:
            return
        if any(copy.endswith(content) for copy in copies):
            return
        if any(copy in reduced for copy in copies):
            self._report.reduced_copies[stream] = self._report.reduced_copies.get(stream, 0) + 1
        else:
            tally.mismatches += 1
            problem = "its copy differs" if copies else "no copy"
            self._report.disagree("copy", f"topic {stream}: {problem}: {name}")


def _pair(row: Any) -> tuple[str, str]:
    return row[0], row[1]


def _differences(expected: Anomaly | None, row: Any) -> list[str]:
    if expected is None or row is None:
        return differences(_COLUMNS, expected, row)
    is_of_before = expected.before_the_desk and row["source_offset"] is None
    columns = _FIRST_COLUMNS if is_of_before else _COLUMNS
    return differences(columns, expected[: len(columns)], row)


def _anomaly_content(row: Any) -> bytes:
    texts = [str(row[name]) for name in _COPIED_TEXTS]
    decimals = [str(Decimal(row[name]).normalize()) for name in _COPIED_DECIMALS]
    return repr((texts, decimals)).encode()


def _verdict_content(row: Any) -> bytes:
    """What a copy says since there are verdicts; copies of before say nothing of it."""
    return repr([str(row.get(name)) for name in _COPIED_VERDICT]).encode()


def _dead_letter_copy(record: Record) -> tuple[str, bytes]:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    place = [headers.get(f"source_{part}") for part in ("topic", "partition", "offset")]
    ending = (headers.get("reason"), headers.get("stage"))
    content = _content(record.key, record.value, *ending)
    if _LEFT_OUT in headers:
        kept = (headers[_LEFT_OUT], headers.get("value_bytes"), record.key)
        content = _REDUCED + _content(*kept, *ending)
    if "time" not in headers or (_LEFT_OUT in headers and record.value):
        content = b"no time"
    return f"{place[0]}[{place[1]}]@{place[2]}", content


def _content(*parts: Any) -> bytes:
    return repr(parts).encode()
