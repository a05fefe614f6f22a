"""Random passwords of the embedded servers, created once per data folder and readable only by its owner."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

ROLES: Final = ("postgres_superuser", "postgres_owner", "postgres_worker", "postgres_reader", "mongo_admin")


def load_passwords(path: Path) -> dict[str, str]:
    """Returns the passwords in `path` by role; adds missing ones and writes the file with mode 0600."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if missing := [role for role in ROLES if role not in known]:
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        write_private(path, json.dumps(known, indent=2) + "\n")
    return known


def write_private(path: Path, text: str) -> None:
    """Replaces the file atomically by one that only its owner can read."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
