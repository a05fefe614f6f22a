"""The composition of `globalmart maintain`: deletes rows past their retention, then vacuums and compacts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.ops.lake import open_lake
from app.ops.lock import exclusive_owner
from app.ops.retention.archive import Archive
from app.ops.retention.retention import Deleted, delete_days, first_day_kept
from app.ops.retention.topic_retention import TopicRetention, set_retention, topic_retention
from app.ops.retention.vacuum import Size, compact_mongo, postgres_sizes, vacuum
from app.settings import Settings

Report = Callable[[str], None]


@dataclass(slots=True)
class MaintenanceResult:
    """The result of a run, and the sizes of the stores after it."""

    deleted: Deleted = field(default_factory=Deleted)
    topics: list[TopicRetention] = field(default_factory=list)
    mongo: str = ""
    sizes: list[Size] = field(default_factory=list)


async def maintain(
    settings: Settings,
    *,
    dry_run: bool = False,
    without_lake: bool = False,
    now: datetime | None = None,
    report: Report = lambda _: None,
) -> MaintenanceResult:
    """Deletes rows, sets the topics' retention, vacuums and compacts; `now` (aware) defaults to the clock.

    Workers keep running. Without a lake only system metrics are deleted, unless `without_lake`.
    """
    done = MaintenanceResult()
    longest = timedelta(seconds=settings.postgres.transaction_timeout_seconds)
    archive = None if without_lake else Archive(open_lake(settings))
    async with exclusive_owner(settings.postgres) as connection:
        for table, before in first_day_kept(settings, now or datetime.now(UTC)).items():
            await delete_days(
                connection,
                table,
                before,
                archive,
                pages=settings.retention.delete_pages,
                longest_transaction=longest,
                dry_run=dry_run,
                done=done.deleted,
                report=report,
            )
        done.topics = topic_retention(settings)
        if not dry_run:
            set_retention(settings, [t for t in done.topics if t.found_ms != t.wanted_ms])
            await vacuum(connection, sorted(done.deleted.rows))
            done.mongo = compact_mongo(settings.mongo)
        done.sizes = await postgres_sizes(connection)
    return done
