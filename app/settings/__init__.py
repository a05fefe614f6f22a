"""Settings: small frozen groups read from the environment or a `.env` file, prefix `GLOBALMART_`.

Each group is handed to the code that needs it and to nothing else. A field's description, unit and the
first guide's name for it are kept here, and the table in README.md of this folder is generated from them.
"""

from app.settings.generator import GeneratorSettings
from app.settings.group import ENV_PREFIX, SettingsGroup
from app.settings.loading import (
    ENV_FILE_VARIABLE,
    Settings,
    documented_settings,
    file_variable,
    load_settings,
    secret_variables,
)
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

__all__ = [
    "ENV_FILE_VARIABLE",
    "ENV_PREFIX",
    "AlertSettings",
    "AnomalySettings",
    "ApiSettings",
    "BatchSettings",
    "DashboardSettings",
    "DemoSettings",
    "FraudSettings",
    "GeneralSettings",
    "GeneratorSettings",
    "KafkaSettings",
    "MongoSettings",
    "MonitoringSettings",
    "PostgresSettings",
    "RetentionSettings",
    "Settings",
    "SettingsGroup",
    "StreamSettings",
    "WorkerSettings",
    "documented_settings",
    "file_variable",
    "load_settings",
    "secret_variables",
]
