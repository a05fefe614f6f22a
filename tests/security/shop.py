"""What leads a process of the product to the secured Kafka."""

from dataclasses import dataclass
from pathlib import Path

from app.settings import KafkaSettings
from tests.security.authority import Certificates


@dataclass(frozen=True, slots=True)
class SecureShop:
    """Address, name and password of the broker, and the files of its authority."""

    bootstrap: str
    user: str
    password: str
    certificates: Certificates

    def environment(
        self, *, mechanism: str = "SCRAM-SHA-512", password: str | None = None, ca_file: Path | None = None
    ) -> dict[str, str]:
        """Variables of the Kafka group, some of them wrong on purpose."""
        return {
            "GLOBALMART_KAFKA_BOOTSTRAP": self.bootstrap,
            "GLOBALMART_KAFKA_SECURITY": "sasl_ssl",
            "GLOBALMART_KAFKA_CA_FILE": str(ca_file or self.certificates.authority),
            "GLOBALMART_KAFKA_SASL_MECHANISM": mechanism,
            "GLOBALMART_KAFKA_USER": self.user,
            "GLOBALMART_KAFKA_PASSWORD": password or self.password,
        }

    def settings(self, **wrong: str) -> KafkaSettings:
        """The same as settings."""
        return KafkaSettings.read(self.environment(**wrong))  # type: ignore[arg-type]
