"""What a run sent, as a mapping that is ready for JSON and as a few lines to read."""

from dataclasses import dataclass
from typing import Any

from app.generator.jobs import Job
from app.generator.record import timestamp_text


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: records handed to Kafka, wall seconds, stall skipped, and what was wrong."""

    sent: int
    seconds: float
    skipped_seconds: float = 0.0
    error: str = ""


def summary(job: Job, seed: int | None, outcome: Outcome, skipped_rows: int) -> dict[str, Any]:
    """Return everything an acceptance check needs: expected ledger figures and injected faults."""
    per_second = outcome.sent / outcome.seconds if outcome.seconds > 0 else 0.0
    return {
        "mode": job.mode,
        "run_id": job.run_id,
        "seed": seed,
        "start": timestamp_text(job.start_us),
        "sent": outcome.sent,
        "seconds": round(outcome.seconds, 3),
        "records_per_second": round(per_second, 1),
        "skipped_stall_seconds": round(outcome.skipped_seconds, 3),
        "skipped_rows": skipped_rows,
        "delivered": not outcome.error,
        "error": outcome.error,
        **job.source.counts.report(),
    }


def lines(figures: dict[str, Any]) -> list[str]:
    """Return the summary for people."""
    result = [
        f"sent {figures['sent']:,} records in {figures['seconds']:.1f} s "
        f"({figures['records_per_second']:,.0f}/s), run {figures['run_id']}"
    ]
    for topic, counts in figures["topics"].items():
        text = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in counts.items())
        result.append(f"  {topic}: {text}")
    for group in ("injected", "malformed", "forgiven"):
        if figures[group]:
            text = ", ".join(f"{name} {n:,}" for name, n in figures[group].items())
            result.append(f"  {group}: {text}")
    return result
