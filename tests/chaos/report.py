"""What a run of chaos found, as data for var/chaos.json."""

from collections.abc import Mapping, Sequence
from statistics import quantiles
from typing import Any, Final

from app.reconcile.stream.report import ReconcileReport
from app.reconcile.stream.sales import SLOTS
from tests.chaos.gauge import Recovery
from tests.chaos.inflicting import Inflictor

_LOST: Final = ("missing_row", "missing_dead_letter")
_DOUBLED: Final = ("extra_row", "extra_dead_letter", "winner")
_SALES: Final = ("sales_metrics", *(slots.table for slots in SLOTS))
_ANOMALIES: Final = ("anomaly", "shadow", "verdict", "case", "judged_from")
_JUDGED: Final = ("shadow_anomalies", "verdicts", "cases")


def verdict(report: ReconcileReport) -> dict[str, int]:
    """Disagreements by what they mean; all must be 0."""
    kinds = report.kinds
    lost = _sum(kinds, _LOST) + sum(gap.end - gap.start for gap in report.lost_ranges)
    named = (*_LOST, *_DOUBLED, *_SALES, *_ANOMALIES)
    return {
        "lost": lost,
        "doubled": _sum(kinds, _DOUBLED),
        "wrong_windows": _sum(kinds, _SALES),
        "wrong_anomalies": _sum(kinds, _ANOMALIES),
        "other_disagreements": sum(n for kind, n in kinds.items() if kind not in named),
    }


def judged_table(report: ReconcileReport) -> dict[str, int]:
    """Rows of what the fraud desk says of orders, as found."""
    return {name: report.table(name).found for name in _JUDGED}


def recovery_table(recoveries: Sequence[Recovery]) -> dict[str, dict[str, float | int]]:
    """Per kind and over all: how many, and seconds to recover, p50, p99 and the longest."""
    by_kind: dict[str, list[float]] = {}
    for recovery in recoveries:
        if recovery.seconds is not None:
            by_kind.setdefault(recovery.kind, []).append(recovery.seconds)
            by_kind.setdefault("all", []).append(recovery.seconds)
    return {kind: _summary(seconds) for kind, seconds in sorted(by_kind.items())}


def topic_table(report: ReconcileReport) -> dict[str, Any]:
    """Ledger counters of every topic, as found."""
    return {name: figures.found for name, figures in report.topics.items()}


def counted(inflictor: Inflictor) -> dict[str, Any]:
    """Faults by kind, and those that found no occasion."""
    return {
        "faults": dict(sorted(inflictor.done.items())),
        "faults_without_occasion": dict(sorted(inflictor.missed.items())),
        "faults_total": inflictor.done.total(),
    }


def rounded(seconds: Sequence[float]) -> list[float]:
    """To hundredths, for reading."""
    return [round(each, 2) for each in seconds]


def _summary(seconds: list[float]) -> dict[str, float | int]:
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return {"count": len(seconds), "p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(seconds), 2)}


def _sum(kinds: Mapping[str, int], names: Sequence[str]) -> int:
    return sum(kinds.get(name, 0) for name in names)
