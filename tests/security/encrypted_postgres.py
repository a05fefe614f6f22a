"""Debian's PostgreSQL, which has TLS, as the embedded one has not; Debian 12 has the oldest version supported, 15."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.postgres_server import OWNER, SUPERUSER, PostgresServer, load_passwords
from compose.embedded.server import Workspace
from tests.security.authority import Certificates

#: Leads to this machine, too, and is in no certificate.
ELSEWHERE: Final = "127.0.0.2"
#: The database that asks for a client's certificate.
CERTIFIED: Final = "certified"
_PROGRAMS: Final = Path("/usr/lib/postgresql")
_OLDEST: Final = 15
_ADMISSION: Final = f"""
hostssl {CERTIFIED} all samehost scram-sha-256 clientcert=verify-ca
hostssl all all samehost scram-sha-256
"""


class EncryptedPostgres(PostgresServer):
    """Accepts connections with TLS only; `variables` are its settings."""

    name = "PostgreSQL with TLS"

    def __init__(self, workspace: Workspace, certificates: Certificates) -> None:
        passwords = load_passwords(workspace.folder("secrets") / "passwords.json")
        super().__init__(workspace, choose_port(), passwords)
        self._home = replace(self._home, programs=_oldest_programs())
        self._certificates = certificates

    @property
    def variables(self) -> dict[str, str]:
        """How to reach it, with a certificate that is verified."""
        return {
            "GLOBALMART_POSTGRES_PORT": str(self.port),
            "GLOBALMART_POSTGRES_SSLMODE": "verify-full",
            "GLOBALMART_POSTGRES_CA_FILE": str(self._certificates.authority),
            "GLOBALMART_POSTGRES_OWNER_PASSWORD": self._passwords["postgres_owner"],
            "GLOBALMART_POSTGRES_WORKER_PASSWORD": self._passwords["postgres_worker"],
            "GLOBALMART_POSTGRES_READER_PASSWORD": self._passwords["postgres_reader"],
            "GLOBALMART_POSTGRES_DESK_PASSWORD": self._passwords["postgres_desk"],
        }

    def create_database(self, name: str) -> None:
        """One that belongs to the owner."""
        server, sql = self.dsn(SUPERUSER, "postgres"), f"CREATE DATABASE {name} OWNER {OWNER}"
        subprocess.run([self.psql, "--quiet", server, "-c", sql], check=True)

    def launch(self) -> None:
        """Copies its files to the data folder, where the user it runs as can read it, and start it."""
        files = {
            "ssl_cert_file": self._certificates.server,
            "ssl_key_file": self._certificates.key,
            "ssl_ca_file": self._certificates.authority,
        }
        admission = self._certificates.server.with_name("pg_hba.conf")
        admission.write_text(_ADMISSION)
        for name, file in (files | {"hba_file": admission}).items():
            self._options[name] = str(self._own(file))
        self._options |= {"ssl": "on", "listen_addresses": f"{LOOPBACK},{ELSEWHERE}"}
        super().launch()

    def _own(self, file: Path) -> Path:
        copy = self._home.data.parent / file.name
        shutil.copy(file, copy)
        copy.chmod(0o600)
        if self._user:
            self._user.give(copy)
        return copy


def _oldest_programs() -> Path:
    folders = {int(path.parts[-3]): path.parent for path in _PROGRAMS.glob("*/bin/postgres")}
    supported = [major for major in folders if major >= _OLDEST]
    assert supported, f"no PostgreSQL from {_OLDEST} on below {_PROGRAMS}; run `make packages`"
    return folders[min(supported)]
