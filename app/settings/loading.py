"""All groups together, read from the environment over a `.env` file."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic.fields import FieldInfo

from app.errors import SettingsError
from app.settings.api import ApiSettings
from app.settings.batch import BatchSettings
from app.settings.dashboard import DashboardSettings
from app.settings.demo import DemoSettings
from app.settings.former_names import with_present_names
from app.settings.generator import GeneratorSettings
from app.settings.group import ENV_PREFIX, SettingsGroup
from app.settings.monitoring import AlertSettings, MonitoringSettings
from app.settings.retention import RetentionSettings
from app.settings.stores import GeneralSettings, KafkaSettings, MongoSettings, PostgresSettings
from app.settings.stream import AnomalySettings, StreamSettings, WorkerSettings

ENV_FILE_VARIABLE: Final = "GLOBALMART_ENV_FILE"


class Settings:
    """All groups of one process."""

    GROUPS: Final[Mapping[str, type[SettingsGroup]]] = {
        "general": GeneralSettings,
        "kafka": KafkaSettings,
        "postgres": PostgresSettings,
        "mongo": MongoSettings,
        "stream": StreamSettings,
        "anomaly": AnomalySettings,
        "worker": WorkerSettings,
        "retention": RetentionSettings,
        "generator": GeneratorSettings,
        "batch": BatchSettings,
        "api": ApiSettings,
        "dashboard": DashboardSettings,
        "monitoring": MonitoringSettings,
        "alert": AlertSettings,
        "demo": DemoSettings,
    }

    def __init__(self, values: Mapping[str, str]) -> None:
        """Build every group from variables; raises SettingsError with all problems found."""
        problems = list(_unknown_variables(values, self.GROUPS.values()))
        groups: dict[str, Any] = {}
        for name, group in self.GROUPS.items():
            try:
                groups[name] = group.read(values)
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))
        self.general: GeneralSettings = groups["general"]
        self.kafka: KafkaSettings = groups["kafka"]
        self.postgres: PostgresSettings = groups["postgres"]
        self.mongo: MongoSettings = groups["mongo"]
        self.stream: StreamSettings = groups["stream"]
        self.anomaly: AnomalySettings = groups["anomaly"]
        self.worker: WorkerSettings = groups["worker"]
        self.retention: RetentionSettings = groups["retention"]
        self.generator: GeneratorSettings = groups["generator"]
        self.batch: BatchSettings = groups["batch"]
        self.api: ApiSettings = groups["api"]
        self.dashboard: DashboardSettings = groups["dashboard"]
        self.monitoring: MonitoringSettings = groups["monitoring"]
        self.alert: AlertSettings = groups["alert"]
        self.demo: DemoSettings = groups["demo"]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment over the `.env` file (another one by GLOBALMART_ENV_FILE, none if empty).

    Raises SettingsError for a wrong setting, and for a file that is named and not there; `.env` itself may be absent.
    """
    environ = with_present_names(os.environ if environ is None else environ)
    env_file = environ.get(ENV_FILE_VARIABLE, ".env")
    if env_file and ENV_FILE_VARIABLE in environ and not Path(env_file).exists():
        raise SettingsError(
            f"{ENV_FILE_VARIABLE}: there is no {env_file}; correct it, or make the file with `globalmart init --file`"
        )
    from_file = with_present_names(dotenv_values(env_file, encoding="utf-8") if env_file else {})
    values = {name: value for name, value in from_file.items() if value is not None}
    values.update(environ)
    return Settings({n: v for n, v in values.items() if n.startswith(ENV_PREFIX)})


def documented_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every variable with its field, in the order of the table in app/settings/README.md."""
    for group in Settings.GROUPS.values():
        for name, field in group.model_fields.items():
            yield group.variable(name), field


def _unknown_variables(values: Mapping[str, str], groups: Iterator[type[SettingsGroup]] | Any) -> Iterator[str]:
    known = {group.variable(field) for group in groups for field in group.model_fields}
    for variable in sorted(set(values) - known - {ENV_FILE_VARIABLE}):
        close = difflib.get_close_matches(variable, known, n=1)
        advice = f"did you mean {close[0]}?" if close else "see `globalmart settings`"
        yield f"{variable}: no such setting; {advice}"
