"""TLS contexts, how clients authenticate to Kafka and verify it, and what of an address may be shown."""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.errors import SettingsError, text_of
from app.settings import KafkaSettings, SettingsGroup


def client_context(
    group: type[SettingsGroup],
    *,
    ca_file: Path | None,
    certificate_file: Path | None,
    key_file: Path | None,
    verify: bool = True,
    check_host: bool = True,
) -> ssl.SSLContext:
    """A context for a client; raises SettingsError naming the file that cannot be used.

    Without a CA file the system's authorities are trusted. `verify` false encrypts and trusts anybody.
    """
    context = ssl.create_default_context()
    context.check_hostname = verify and check_host
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if ca_file is not None:
        # Only this authority, not the system's, too.
        context = _trusting(group, ca_file, context)
    if certificate_file is not None:
        try:
            context.load_cert_chain(certificate_file, key_file)
        except (OSError, ssl.SSLError) as error:
            names = f"{group.variable('certificate_file')} and {group.variable('key_file')}"
            raise SettingsError(f"{names}: {certificate_file} cannot be used ({text_of(error)})") from error
    return context


def _trusting(group: type[SettingsGroup], ca_file: Path, model: ssl.SSLContext) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = model.check_hostname, model.verify_mode
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{group.variable('ca_file')}: {ca_file} cannot be used ({text_of(error)})") from error
    return context


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


def shown_address(url: str) -> str:
    """Returns an address without what may be a secret: user, password, path and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is not valid"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
