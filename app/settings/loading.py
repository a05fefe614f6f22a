"""All groups together, read from the environment over a `.env` file."""

import difflib
import os
from collections.abc import Collection, Iterator, Mapping
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
from app.settings.secret_files import FILE_SUFFIX, file_variable, named_files, read_secret
from app.settings.service_links import is_service_link
from app.settings.stores import GeneralSettings, KafkaSettings, MongoSettings, PostgresSettings
from app.settings.stream import AnomalySettings, StreamSettings, WorkerSettings

ENV_FILE_VARIABLE: Final = "GLOBALMART_ENV_FILE"
ENVIRONMENT: Final = "environment"


class Settings:
    """All groups of one process.

    `sources` says where each variable that is set comes from, `ignored` which ones are another program's.
    """

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

    def __init__(
        self, values: Mapping[str, str], sources: Mapping[str, str] | None = None, ignored: Collection[str] = ()
    ) -> None:
        """Build every group from variables; raises SettingsError with all problems found."""
        self.sources = {name: (sources or {}).get(name, ENVIRONMENT) for name, value in values.items() if value}
        self.ignored = tuple(sorted(ignored))
        problems = list(_unknown_variables(values))
        values = self._with_secret_files(values, problems)
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

    def _with_secret_files(self, values: Mapping[str, str], problems: list[str]) -> Mapping[str, str]:
        """The variables with each secret that a file holds; adds to the problems what is wrong with one."""
        read = {}
        for variable, path in named_files(values, secret_variables()):
            try:
                read[variable] = read_secret(variable, path, values)
            except SettingsError as error:
                problems.append(str(error))
            self.sources[variable] = path
        return {**values, **read}


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
    ours = {name: value for name, value in environ.items() if name.startswith(ENV_PREFIX)}
    ignored = {name for name, value in ours.items() if is_service_link(name, value)}
    given = {name: value for name, value in ours.items() if name not in ignored}
    below = {
        name: value
        for name, value in from_file.items()
        if value is not None and name.startswith(ENV_PREFIX) and name not in _said_otherwise(given)
    }
    sources = {**dict.fromkeys(below, str(env_file)), **dict.fromkeys(given, ENVIRONMENT)}
    return Settings({**below, **given}, sources, ignored)


def _said_otherwise(given: Mapping[str, str]) -> set[str]:
    """A secret that the environment gives in one way is not taken from `.env` in the other."""
    others = {variable: file_variable(variable) for variable in secret_variables()}
    others |= {named: variable for variable, named in others.items()}
    return {other for name, other in others.items() if given.get(name, "")}


def secret_variables() -> tuple[str, ...]:
    """Every variable whose value is secret; a file may hold it, named by the variable with _FILE at its end."""
    return tuple(name for group in Settings.GROUPS.values() for name in group.secrets())


def documented_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every variable with its field, in the order of the table in app/settings/README.md."""
    for group in Settings.GROUPS.values():
        for name, field in group.model_fields.items():
            yield group.variable(name), field


def _unknown_variables(values: Mapping[str, str]) -> Iterator[str]:
    settings = {variable for variable, _ in documented_settings()}
    known = settings | {file_variable(variable) for variable in secret_variables()}
    for variable in sorted(set(values) - known - {ENV_FILE_VARIABLE}):
        plain = variable.removesuffix(FILE_SUFFIX)
        if plain in settings and plain != variable:
            yield f"{variable}: no such setting; only secrets are read from files, so set {plain} itself"
            continue
        close = difflib.get_close_matches(variable, known, n=1)
        advice = f"did you mean {close[0]}?" if close else "see `globalmart settings`"
        yield f"{variable}: no such setting; {advice}"
