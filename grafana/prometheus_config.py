"""Configuration of Prometheus and its Alertmanager, generated from the settings."""

from collections.abc import Sequence
from typing import Any, Final

from app.settings import AlertSettings

RULES_FILE: Final = "rules.yml"


def prometheus_config(
    *, workers: Sequence[str], api: Sequence[str], alertmanagers: Sequence[str], scrape_seconds: int
) -> dict[str, Any]:
    """Returns the content of prometheus.yml for targets host:port; rules are evaluated at every scrape interval."""
    every = f"{scrape_seconds}s"
    jobs = {"globalmart-worker": workers, "globalmart-api": api}
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [RULES_FILE],
        "alerting": {"alertmanagers": [_static(alertmanagers)]},
        "scrape_configs": [{"job_name": job, **_static(addresses)} for job, addresses in jobs.items() if addresses],
    }


def alertmanager_config(settings: AlertSettings) -> dict[str, Any]:
    """Returns the content of alertmanager.yml: every alert is sent by e-mail and to the webhook."""
    return {
        "route": {
            "receiver": "globalmart",
            "group_by": ["alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {
                    "matchers": ['severity="critical"'],
                    "receiver": "globalmart",
                    "group_wait": "10s",
                    "repeat_interval": "1h",
                }
            ],
        },
        "inhibit_rules": [_INHIBITED_BY_A_MISSING_WORKER],
        "receivers": [
            {
                "name": "globalmart",
                "email_configs": [_email(settings)],
                "webhook_configs": [{"url": settings.webhook_url, "send_resolved": True}],
            }
        ],
    }


# Alerts that a missing worker explains are not sent.
_INHIBITED_BY_A_MISSING_WORKER: Final = {
    "source_matchers": ['alertname="TargetDown"', 'job="globalmart-worker"'],
    "target_matchers": ['alertname=~"StreamLag|StreamStalled|RevenueDrop|Latency"'],
}


def _email(settings: AlertSettings) -> dict[str, Any]:
    email = {
        "to": settings.email_to,
        "from": settings.email_from,
        "smarthost": settings.smtp,
        "require_tls": settings.smtp_user is not None,
        "send_resolved": True,
    }
    if settings.smtp_user is not None:
        email["auth_username"] = settings.smtp_user
    if settings.smtp_password_file is not None:
        email["auth_password_file"] = settings.smtp_password_file
    return email


def _static(addresses: Sequence[str]) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(addresses)}]}
