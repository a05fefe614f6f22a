"""`globalmart settings`: what is in effect and where it is set."""

import os
import subprocess
import sys
from pathlib import Path


def _lines(folder: Path, **environ: str) -> dict[str, str]:
    """The line of each variable."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "settings"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "400", **environ},
        text=True,
        capture_output=True,
        check=True,
        timeout=120,
    )
    return {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}


def test_each_value_says_where_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "worker").write_text("hunter2\n")
    (tmp_path / "own.env").write_text("GLOBALMART_KAFKA_GROUP=from-file\n")
    lines = _lines(
        tmp_path,
        GLOBALMART_ENV_FILE="own.env",
        GLOBALMART_KAFKA_PARTITIONS="12",
        GLOBALMART_POSTGRES_WORKER_PASSWORD_FILE=str(tmp_path / "worker"),
        GLOBALMART_API_PORT="tcp://10.0.0.1:8000",
        GLOBALMART_FRAUD_WEBHOOK_URL="https://shop:tok1@hooks.example:8443/tok2?key=tok3",  # example-only
        GLOBALMART_FRAUD_WEBHOOK_SECRET="tok4",
    )
    assert " https://hooks.example:8443 " in lines["GLOBALMART_FRAUD_WEBHOOK_URL"]
    assert "tok" not in "".join(line for name, line in lines.items() if "WEBHOOK" in name)
    assert " 12 " in lines["GLOBALMART_KAFKA_PARTITIONS"]
    assert " environment " in lines["GLOBALMART_KAFKA_PARTITIONS"]
    assert " own.env " in lines["GLOBALMART_KAFKA_GROUP"]
    secret = lines["GLOBALMART_POSTGRES_WORKER_PASSWORD"]
    assert "********" in secret
    assert str(tmp_path / "worker") in secret
    assert "environment" not in lines["GLOBALMART_POSTGRES_OWNER_PASSWORD"]
    assert "GLOBALMART_API_PORT" in lines["not"]
    assert "hunter2" not in "".join(lines.values())
