"""All groups together, read from the environment over a `.env` file.

Variables that Kubernetes sets for every service of a namespace, and Docker for a link, are no settings of ours. A
service named `globalmart-api` gives `GLOBALMART_API_PORT=tcp://10.0.0.1:8000`, `GLOBALMART_API_SERVICE_HOST=10.0.0.1`
and more. Each is known by its name and by its value, so that a setting written wrong is still refused.
"""

import difflib
import ipaddress
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar, get_type_hints

from dotenv import dotenv_values
from pydantic.fields import FieldInfo

from app.errors import SettingsError
from app.settings.generator import GeneratorSettings
from app.settings.group import ENV_PREFIX, SettingsGroup
from app.settings.services import (
    AlertSettings,
    ApiSettings,
    BatchSettings,
    DashboardSettings,
    DemoSettings,
    MonitoringSettings,
)
from app.settings.store_settings import GeneralSettings, KafkaSettings, MongoSettings, PostgresSettings
from app.settings.stream import AnomalySettings, FraudSettings, RetentionSettings, StreamSettings, WorkerSettings

logger = logging.getLogger(__name__)
ValueT = TypeVar("ValueT")
#: The present name of each former one. Release 1.1 drops the API's, which are of 0.x.
FORMER_NAMES: Final[Mapping[str, str]] = {
    "GLOBALMART_API_PAST_ANSWERS": "GLOBALMART_API_HISTORY_CACHE_SIZE",
    "GLOBALMART_API_PAST_SECONDS": "GLOBALMART_API_HISTORY_CACHE_SECONDS",
    "GLOBALMART_API_RUN_LOOK_SECONDS": "GLOBALMART_API_RUN_POLL_SECONDS",
    "GLOBALMART_API_RUN_ANSWERS": "GLOBALMART_API_RUN_CACHE_SIZE",
    "GLOBALMART_DEMO_HISTORY_ORDERS_PER_DAY": "GLOBALMART_DEMO_ORDERS_PER_DAY",
}
_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://(?P<host>[^/\s]+):(?P<port>\d{1,5})")
_PROTOCOLS: Final = frozenset({"tcp", "udp", "sctp"})
FILE_SUFFIX: Final = "_FILE"
_MOST_BYTES: Final = 1_048_576
ENV_FILE_VARIABLE: Final = "GLOBALMART_ENV_FILE"
ENVIRONMENT: Final = "environment"


def with_present_names(values: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """The variables of one source under their present names; logs a warning for each former one.

    Raises SettingsError where a source gives a setting under both names.
    """
    present = dict(values)
    for former, name in FORMER_NAMES.items():
        value = present.pop(former, None)
        if not value:
            continue
        if present.get(name):
            raise SettingsError(f"{former}: {name} is set, too, and is its present name; remove {former}")
        logger.warning("%s was renamed: set %s instead", former, name)
        present[name] = value
    return present


def is_service_link(variable: str, value: str) -> bool:
    """Whether the variable is one of those, by both its name and its value."""
    return any(name.fullmatch(variable) is not None and fits(value) for name, fits in _SHAPES.items())


def _is_address(value: str) -> bool:
    found = _ADDRESS.fullmatch(value)
    return found is not None and _is_host(found["host"]) and _is_port(found["port"])


def _is_host(value: str) -> bool:
    try:
        ipaddress.ip_address(value.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdecimal() and 0 < int(value) <= 65_535


_SHAPES: Final[Mapping[re.Pattern[str], Callable[[str], bool]]] = {
    re.compile(r"\w+_SERVICE_HOST"): _is_host,
    re.compile(r"\w+_SERVICE_PORT(?:_\w+)?"): _is_port,
    re.compile(r"\w+_PORT"): _is_address,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)"): _is_address,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO"): _PROTOCOLS.__contains__,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)_PORT"): _is_port,
    re.compile(r"\w+_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR"): _is_host,
}


def file_variable(variable: str) -> str:
    """Name of the variable that names the file of a secret setting."""
    return f"{variable}{FILE_SUFFIX}"


def named_files(values: Mapping[str, str], secrets: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each secret setting that a file is named for, with the file's path."""
    for variable in secrets:
        path = values.get(file_variable(variable), "")
        if path:
            yield variable, path


def read_secret(variable: str, path: str, values: Mapping[str, str]) -> str:
    """The one line of the file; raises SettingsError naming both variables, or the file and what is wrong with it."""
    named = file_variable(variable)
    if values.get(variable, ""):
        raise SettingsError(f"{variable} and {named} are both set; keep one of them")
    try:
        text = _content(Path(path)).rstrip("\r\n")
    except OSError as error:
        raise SettingsError(
            f"{named}: {path} cannot be read ({error.strerror}); mount the secret there, or correct the path"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{named}: {path} is no text in UTF-8 ({error})") from error
    problem = _problem(text)
    if problem:
        raise SettingsError(f"{named}: {path} {problem}")
    return text


def _content(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    # Some editors put a byte order mark before the text; no secret begins with one.
    return content.decode("utf-8-sig")


def _problem(text: str) -> str:
    if not text.strip():
        return "is empty; write the secret into it"
    if "\0" in text:
        return "holds a NUL character; a secret is text"
    lines = text.splitlines()
    if len(lines) > 1:
        return f"has {len(lines)} lines; a secret is one line"
    return ""


class _Groups:
    """The groups by name, in the order of their documentation."""

    general: GeneralSettings
    kafka: KafkaSettings
    postgres: PostgresSettings
    mongo: MongoSettings
    stream: StreamSettings
    anomaly: AnomalySettings
    fraud: FraudSettings
    worker: WorkerSettings
    retention: RetentionSettings
    generator: GeneratorSettings
    batch: BatchSettings
    api: ApiSettings
    dashboard: DashboardSettings
    monitoring: MonitoringSettings
    alert: AlertSettings
    demo: DemoSettings


class Settings(_Groups):
    """All groups of one process.

    `sources` says where each variable that is set comes from, `ignored` which ones are another program's.
    """

    GROUPS: Final[Mapping[str, type[SettingsGroup]]] = get_type_hints(_Groups)

    def __init__(
        self, values: Mapping[str, str], sources: Mapping[str, str] | None = None, ignored: Collection[str] = ()
    ) -> None:
        """Build every group from variables; raises SettingsError with all problems found."""
        self.sources = {name: (sources or {}).get(name, ENVIRONMENT) for name, value in values.items() if value}
        self.ignored = tuple(sorted(ignored))
        problems = list(_unknown_variables(values))
        values = self._with_secret_files(values, problems)
        for name, group in self.GROUPS.items():
            try:
                setattr(self, name, group.read(values))
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))

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
