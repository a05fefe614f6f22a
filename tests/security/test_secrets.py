"""No secret leaves a process: not in its log, not in its answers, not in what it prints of its settings."""

import urllib.error
from pathlib import Path
from typing import Final

import pytest

from app.settings import KafkaSettings, MongoSettings, PostgresSettings, Settings
from compose.embedded.stack import EmbeddedStack
from tests.chaos.programs import Api

_SECRET: Final = "hush-4711"
_SECRETS: Final = {
    KafkaSettings.variable("security"): "sasl_plaintext",
    KafkaSettings.variable("user"): "shop",
    KafkaSettings.variable("password"): f"{_SECRET}-kafka",
    PostgresSettings.variable("owner_password"): f"{_SECRET}-owner",
    PostgresSettings.variable("worker_password"): f"{_SECRET}-worker",
    PostgresSettings.variable("reader_password"): f"{_SECRET}-reader",
    PostgresSettings.variable("desk_password"): f"{_SECRET}-desk",
    MongoSettings.variable("connect_timeout_seconds"): "1",
    MongoSettings.variable("url"): f"mongodb://shop:{_SECRET}-mongo@127.0.0.1:1/",
}


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings(_SECRETS)
    shown = "".join(repr(getattr(settings, name)) for name in Settings.GROUPS)
    assert "shop" in shown
    assert _SECRET not in shown


async def test_an_api_that_is_refused_keeps_its_passwords(stack: EmbeddedStack, tmp_path: Path) -> None:
    api = Api(stack.environment() | _SECRETS, tmp_path / "api.log")
    try:
        await api.answers("/health")
        answers = [_error(api, path) for path in ("/ready", "/api/v1/sales/metrics")]
    finally:
        api.close()
    log = (tmp_path / "api.log").read_text()
    assert all("postgresql" in answer for answer in answers)
    assert "postgresql is not available" in log
    assert _SECRET not in log + "".join(answers)


def _error(api: Api, path: str) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        api.get(path)
    with caught.value as answer:
        assert answer.code == 503
        return answer.read().decode()
