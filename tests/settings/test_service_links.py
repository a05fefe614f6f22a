"""What a cluster adds to the environment is no mistake of ours; a setting written wrong still is."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import load_settings


def _service_links(service: str, host: str, port: int, port_name: str) -> dict[str, str]:
    """The variables of one service, as the kubelet makes them."""
    prefix = service.upper().replace("-", "_")
    bracketed = f"[{host}]" if ":" in host else host
    url = f"tcp://{bracketed}:{port}"
    return {
        f"{prefix}_SERVICE_HOST": host,
        f"{prefix}_SERVICE_PORT": str(port),
        f"{prefix}_SERVICE_PORT_{port_name.upper().replace('-', '_')}": str(port),
        f"{prefix}_PORT": url,
        f"{prefix}_PORT_{port}_TCP": url,
        f"{prefix}_PORT_{port}_TCP_PROTO": "tcp",
        f"{prefix}_PORT_{port}_TCP_PORT": str(port),
        f"{prefix}_PORT_{port}_TCP_ADDR": host,
    }


@pytest.mark.parametrize("host", ["10.96.0.17", "fd00:10:96::11"])
@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("globalmart", 80),
        ("globalmart-api", 8000),
        ("globalmart-dashboard", 8501),
        ("globalmart-postgres", 5432),
        ("globalmart-kafka-bootstrap", 9092),
        ("globalmart-mongo-0", 27017),
        ("kubernetes", 443),
    ],
)
def test_links_to_services_are_no_settings(service: str, port: int, host: str) -> None:
    links = _service_links(service, host, port, "http-metrics")
    settings = load_settings({"GLOBALMART_ENV_FILE": "", **links})
    assert settings.api.port == 8000
    assert settings.postgres.port == 5432
    assert set(settings.ignored) == {name for name in links if name.startswith("GLOBALMART_")}


def test_a_link_hides_no_setting_of_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("GLOBALMART_API_PORT=8123\n")
    environ = {"GLOBALMART_ENV_FILE": str(env_file), "GLOBALMART_API_PORT": "tcp://10.0.0.1:8000"}
    assert load_settings(environ).api.port == 8123


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GLOBALMART_API_PORT", "tcp://"),
        ("GLOBALMART_API_PORT", "tcp://10.0.0.1"),
        ("GLOBALMART_API_PORT", "tcp://api:8000"),
        ("GLOBALMART_API_PORT", "tcp://10.0.0.1:80000"),
        ("GLOBALMART_API_PORT", "http://10.0.0.1:8000"),
        ("GLOBALMART_API_PORT", "10.0.0.1:8000"),
        ("GLOBALMART_API_PROT", "tcp://10.0.0.1:8000"),
        ("GLOBALMART_API_PORT_8000", "tcp://10.0.0.1:8000"),
        ("GLOBALMART_API_SERVICE_HOST", "api"),
        ("GLOBALMART_API_SERVICE_PORT", "eight"),
        ("GLOBALMART_API_SERVICE_PORT", "0"),
        ("GLOBALMART_API_HOST", "10.0.0.1"),
        ("GLOBALMART_API_PORT_8000_TCP_PROTO", "http"),
        ("GLOBALMART_POSTGRES_HOSTS", "10.0.0.1"),
    ],
)
def test_what_only_looks_like_one_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load_settings({"GLOBALMART_ENV_FILE": "", variable: value})


def test_the_env_file_has_no_links(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("GLOBALMART_API_SERVICE_HOST=10.0.0.1\n")
    with pytest.raises(SettingsError, match="GLOBALMART_API_SERVICE_HOST: no such setting"):
        load_settings({"GLOBALMART_ENV_FILE": str(env_file)})
