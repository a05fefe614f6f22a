"""Settings of retention: how long each store keeps what it need not keep for ever."""

from typing import ClassVar, Self

from pydantic import model_validator

from app.settings.group import SettingsGroup, setting


class RetentionSettings(SettingsGroup):
    """What `globalmart maintain` deletes; transactions follow STREAM_RETENTION_DAYS."""

    GROUP: ClassVar[str] = "RETENTION_"
    raw_days: int = setting(7, "whole days views and carts stay in PostgreSQL, once the lake has them", unit="d", ge=1)
    metrics_days: int = setting(3, "whole days system metrics stay in PostgreSQL", unit="d", ge=1)
    delete_pages: int = setting(256, "pages of 8 KiB whose rows are deleted in one transaction", ge=1, le=100_000)
    topic_hours: str = setting(
        "", "topics kept for another time than KAFKA_RETENTION_HOURS, topic=hours, comma separated"
    )

    @model_validator(mode="after")
    def _hours_are_positive(self) -> Self:
        if any(hours <= 0 for hours in self.hours_by_topic.values()):
            raise ValueError("TOPIC_HOURS must be above 0")
        return self

    @property
    def hours_by_topic(self) -> dict[str, float]:
        """The exceptions, by topic."""
        pairs = [part.partition("=") for part in self.topic_hours.split(",") if part.strip()]
        try:
            return {name.strip(): float(hours) for name, _, hours in pairs}
        except ValueError:
            raise ValueError("TOPIC_HOURS must look like dead_letters=168,anomalies=24") from None
