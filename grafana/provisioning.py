"""Grafana's provisioning: data sources and dashboards. Addresses and secrets come from its environment.

The variables are settings of this project; `grafana_environment` has them all.
"""

from typing import Any, Final

from app.settings import Settings
from grafana.panels import POSTGRES, PROMETHEUS

_ALERTMANAGER_UID: Final = "globalmart-alertmanager"


def grafana_environment(settings: Settings) -> dict[str, str]:
    """Returns every variable that the files refer to, including the reader's password."""
    postgres, monitoring = settings.postgres, settings.monitoring
    password = postgres.reader_password
    return {
        "GLOBALMART_MONITORING_PROMETHEUS_URL": monitoring.prometheus_url,
        "GLOBALMART_MONITORING_ALERTMANAGER": monitoring.alertmanager,
        "GLOBALMART_MONITORING_DASHBOARDS": monitoring.dashboards,
        "GLOBALMART_POSTGRES_HOST": postgres.host,
        "GLOBALMART_POSTGRES_PORT": str(postgres.port),
        "GLOBALMART_POSTGRES_DATABASE": postgres.database,
        "GLOBALMART_POSTGRES_READER_USER": postgres.reader_user,
        "GLOBALMART_POSTGRES_READER_PASSWORD": password.get_secret_value() if password else "",
    }


def data_sources(scrape_seconds: int) -> dict[str, Any]:
    """Returns the content of provisioning/datasources/globalmart.yml; rates depend on the scrape interval."""
    sources = [_prometheus(scrape_seconds), _postgresql(), _alertmanager()]
    return {"apiVersion": 1, "datasources": sources}


def dashboard_provider() -> dict[str, Any]:
    """Returns the content of provisioning/dashboards/globalmart.yml."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "globalmart",
                "folder": "GlobalMart",
                "type": "file",
                "allowUiUpdates": False,
                "options": {"path": "${GLOBALMART_MONITORING_DASHBOARDS}"},
            }
        ],
    }


def _prometheus(scrape_seconds: int) -> dict[str, Any]:
    return {
        "name": "GlobalMart Prometheus",
        "uid": PROMETHEUS.uid,
        "type": PROMETHEUS.type_val,
        "access": "proxy",
        "url": "${GLOBALMART_MONITORING_PROMETHEUS_URL}",
        "isDefault": True,
        "editable": False,
        # Grafana shows the rules and alerts of Prometheus and has none itself.
        "jsonData": {"httpMethod": "POST", "manageAlerts": True, "timeInterval": f"{scrape_seconds}s"},
    }


def _postgresql() -> dict[str, Any]:
    return {
        "name": "GlobalMart PostgreSQL",
        "uid": POSTGRES.uid,
        "type": POSTGRES.type_val,
        "access": "proxy",
        "url": "${GLOBALMART_POSTGRES_HOST}:${GLOBALMART_POSTGRES_PORT}",
        "user": "${GLOBALMART_POSTGRES_READER_USER}",
        "editable": False,
        "jsonData": {
            "database": "${GLOBALMART_POSTGRES_DATABASE}",
            "sslmode": "disable",
            "maxOpenConns": 5,
            "postgresVersion": 1500,
            "timeInterval": "1m",
        },
        "secureJsonData": {"password": "${GLOBALMART_POSTGRES_READER_PASSWORD}"},
    }


def _alertmanager() -> dict[str, Any]:
    return {
        "name": "GlobalMart Alertmanager",
        "uid": _ALERTMANAGER_UID,
        "type": "alertmanager",
        "access": "proxy",
        "url": "http://${GLOBALMART_MONITORING_ALERTMANAGER}",
        "editable": False,
        "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
    }
