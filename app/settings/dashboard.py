"""Settings of the executive dashboard."""

from typing import ClassVar

from pydantic import SecretStr

from app.settings.group import Port, SettingsGroup, setting


class DashboardSettings(SettingsGroup):
    """The dashboard process, a client of the REST API; it listens on GLOBALMART_BIND."""

    GROUP: ClassVar[str] = "DASHBOARD_"
    port: Port = setting(8501, "TCP port of the dashboard")
    api_url: str = setting(
        "http://127.0.0.1:8000", "where the REST API is, http:// or https://", pattern=r"^https?://[^\s/]+[^\s]*$"
    )
    api_key: SecretStr | None = setting(None, "key for the REST API where it asks for one; never sent to a browser")
    api_timeout_seconds: float = setting(10.0, "how long the API may take for one answer", unit="s", gt=0)
    refresh_seconds: float = setting(2.0, "pause between two readings of live figures", unit="s", ge=0.5, le=3600)
