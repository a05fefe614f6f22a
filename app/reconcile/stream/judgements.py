"""Compares what orders raised, as judged again, with the stored shadows, verdicts and cases."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from app.reconcile.stream.expected_store import ExpectedStore
from app.reconcile.stream.merge_join import merge
from app.reconcile.stream.report import ReconcileReport
from app.reconcile.stream.snapshot import Snapshot

#: How expected and stored values are read before they are compared; the others are compared as they are.
_EXPECTED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "amount": Decimal,
    "anomaly_score": Decimal,
    "measure": Decimal,
    "threshold": Decimal,
    "reasons": json.loads,
    "suppressed": bool,
}
_STORED: Final[Mapping[str, Callable[[Any], Any]]] = {"reasons": json.loads}


@dataclass(frozen=True, slots=True)
class _Table:
    """A table, the kind of its mismatches, and its columns as those of the expected row; the first `keys` name one."""

    name: str
    kind: str
    keys: int
    columns: tuple[str, ...]

    @property
    def query(self) -> str:
        """Its rows in the order of the expected ones."""
        order = ", ".join(f'{name} COLLATE "C"' for name in self.columns[: self.keys])
        return f"SELECT {', '.join(self.columns)} FROM {self.name} ORDER BY {order}"

    def key(self, values: Any) -> tuple[str, ...]:
        """What names a row."""
        return tuple(values[: self.keys])

    def expected_key(self, one: "_Expected") -> tuple[str, ...]:
        """What names an expected row."""
        return self.key(one.values)


class _Expected(NamedTuple):
    values: tuple[Any, ...]
    may_be_missing: bool = False


_SHADOWS: Final = _Table(
    "shadow_anomalies",
    "shadow",
    2,
    (
        "transaction_id",
        "rule_id",
        "rule_version",
        "user_id",
        "amount",
        "anomaly_score",
        "measure",
        "threshold",
        "description",
        "event_time",
        "source_partition",
        "source_offset",
    ),
)
_VERDICTS: Final = _Table(
    "verdicts",
    "verdict",
    1,
    (
        "transaction_id",
        "user_id",
        "amount",
        "event_time",
        "edition",
        "risk_score",
        "action",
        "severity",
        "reasons",
        "source_partition",
        "source_offset",
    ),
)
_CASES: Final = _Table("cases", "case", 1, ("transaction_id", "severity", "amount", "event_time"))


async def compare_judgements(
    expected_store: ExpectedStore, snapshot: Snapshot, report: ReconcileReport, from_us: int | None
) -> None:
    """Compares the rows of orders from `from_us` on, each with all its columns but the time of its insertion.

    Of a case only what its verdict says is compared: the rest is somebody's work.
    """
    for table, expected in (
        (_SHADOWS, (_Expected(tuple(one)) for one in expected_store.shadows())),
        (_VERDICTS, _verdicts(expected_store)),
        (_CASES, _cases(expected_store)),
    ):
        found = snapshot.stream(table.query)
        async for wanted, row in merge(expected, found, table.expected_key, table.key):
            if from_us is None or _time_of(table, wanted, row) >= from_us:
                _compare(table, wanted, row, report)


def differences(columns: Sequence[str], expected: Sequence[Any] | None, row: Any) -> list[str]:
    """Says how a row differs from the expected one, whose values are those of `columns`; None is no row."""
    if expected is None:
        return ["is stored and should not be"]
    if row is None:
        return ["no row"]
    found = []
    for name, text in zip(columns, expected, strict=True):
        wanted, stored = _EXPECTED.get(name, _same)(text), _STORED.get(name, _same)(row[name])
        if wanted != stored:
            found.append(f"{name} is {stored}, expected {wanted}")
    return found


def _verdicts(expected_store: ExpectedStore) -> Iterator[_Expected]:
    for one in expected_store.verdicts():
        yield _Expected(tuple(one[: len(_VERDICTS.columns)]), one.before_the_desk)


def _cases(expected_store: ExpectedStore) -> Iterator[_Expected]:
    for one in expected_store.verdicts():
        if one.opens_case:
            yield _Expected((one.transaction_id, one.severity, one.amount, one.time_us), one.before_the_desk)


def _time_of(table: _Table, expected: _Expected | None, row: Any) -> int:
    place = table.columns.index("event_time")
    return int((row if expected is None else expected.values)[place])


def _compare(table: _Table, expected: _Expected | None, row: Any, report: ReconcileReport) -> None:
    if expected is not None and expected.may_be_missing and row is None:
        return
    tally = report.table(table.name)
    tally.expected += expected is not None
    tally.found += row is not None
    found = differences(table.columns, None if expected is None else expected.values, row)
    tally.mismatches += bool(found)
    name = ":".join(table.key(row if expected is None else expected.values))
    for difference in found:
        report.disagree(table.kind, f"{table.kind} {name}: {difference}")


def _same(value: Any) -> Any:
    return value
