"""How clients prove themselves to Kafka and make sure whom they talk to: one meaning, two client libraries."""

import ssl
from typing import Any

from app.security.tls import client_context
from app.settings import KafkaSettings


def librdkafka_options(kafka: KafkaSettings) -> dict[str, str]:
    """Bootstrap and security options of confluent-kafka's clients; raises SettingsError for a useless file."""
    options = {"bootstrap.servers": kafka.bootstrap, "security.protocol": kafka.security}
    if kafka.encrypted:
        _context(kafka)  # its errors name the variable
        files = {
            "ssl.ca.location": kafka.ca_file,
            "ssl.certificate.location": kafka.certificate_file,
            "ssl.key.location": kafka.key_file,
        }
        options |= {name: str(file) for name, file in files.items() if file is not None}
    if kafka.authenticated:
        options |= {
            "sasl.mechanisms": kafka.sasl_mechanism,
            "sasl.username": kafka.user or "",
            "sasl.password": _password(kafka),
        }
    return options


def aiokafka_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Bootstrap and security arguments of aiokafka's clients; raises SettingsError for a useless file."""
    return {"bootstrap_servers": kafka.bootstrap, **aiokafka_security(kafka)}


def aiokafka_security(kafka: KafkaSettings) -> dict[str, Any]:
    """The security arguments alone."""
    options: dict[str, Any] = {"security_protocol": kafka.security.upper()}
    if kafka.encrypted:
        options["ssl_context"] = _context(kafka)
    if kafka.authenticated:
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.user,
            "sasl_plain_password": _password(kafka),
        }
    return options


def untrusted(reason: object) -> str:
    """The settings to correct when a broker's certificate is not trusted."""
    ca_file, bootstrap = KafkaSettings.variable("ca_file"), KafkaSettings.variable("bootstrap")
    return f"the broker's certificate is not trusted ({reason}): correct {ca_file}, or the host name in {bootstrap}"


def refused(reason: object) -> str:
    """The settings to correct when a broker refuses the login."""
    names = [KafkaSettings.variable(field) for field in ("user", "password", "sasl_mechanism")]
    return f"Kafka refuses the name or the password ({reason}): correct {names[0]}, {names[1]} or {names[2]}"


def _context(kafka: KafkaSettings) -> ssl.SSLContext:
    return client_context(
        KafkaSettings, ca_file=kafka.ca_file, certificate_file=kafka.certificate_file, key_file=kafka.key_file
    )


def _password(kafka: KafkaSettings) -> str:
    return kafka.password.get_secret_value() if kafka.password else ""
