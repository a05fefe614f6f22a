"""An authority of our own: certificates for 127.0.0.1, and another authority that nobody should trust."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority, a stranger, the server's certificate, its key (PKCS 8), and both in one."""

    authority: Path
    stranger: Path
    server: Path
    key: Path
    keystore: Path


def issue(folder: Path) -> Certificates:
    """Make an authority and a server's certificate for the loopback address."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    return Certificates(
        authority=_write(folder / "authority.pem", authority.cert_pem.bytes()),
        stranger=_write(folder / "stranger.pem", trustme.CA().cert_pem.bytes()),
        server=_write(folder / "server.pem", chain),
        key=_write(folder / "key.pem", key),
        keystore=_write(folder / "keystore.pem", key + chain),
    )


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
