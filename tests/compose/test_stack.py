"""The stack as a whole; its servers have tests of their own."""

from pathlib import Path

import asyncpg
import pytest

from app.errors import EmbeddedStackError
from app.settings import load_settings
from compose.embedded import preflight
from compose.embedded.stack import EmbeddedStack, remove_stack


async def test_postgres_answers_as_the_owner(stack: EmbeddedStack) -> None:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        row = await connection.fetchrow("SELECT current_user::text, current_database()::text")
    finally:
        await connection.close()
    assert row is not None
    assert tuple(row) == ("globalmart", "globalmart")


def test_its_environment_is_a_full_set_of_settings(stack: EmbeddedStack) -> None:
    settings = load_settings(stack.environment())
    assert settings.kafka.bootstrap == stack.kafka.bootstrap
    assert settings.postgres.port == stack.postgres.port
    roles = ("owner", "worker", "reader", "desk")
    passwords = [getattr(settings.postgres, f"{role}_password") for role in roles]
    assert len({password.get_secret_value() for password in passwords if password}) == 4


def test_a_service_not_asked_for_is_named(tmp_path: Path) -> None:
    stack = EmbeddedStack(tmp_path, services=("kafka", "postgres"))
    with pytest.raises(EmbeddedStackError, match="without mongo"):
        _ = stack.mongo


def test_an_unknown_service_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedStackError, match="no such service: redis"):
        EmbeddedStack(tmp_path, services=("redis",))


def test_preflight_reports_the_problem_and_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedStackError, match=r"cannot be created.*\n?.*GLOBALMART_VAR_DIR"):
        preflight.require(tmp_path / "file" / "var", preflight.SERVICES)


def test_preflight_finds_nothing_wrong_here(tmp_path: Path) -> None:
    assert list(preflight.find_problems(tmp_path)) == []


def test_the_lake_of_other_stores_outlives_a_reset(tmp_path: Path) -> None:
    for lake in ("lake", "embedded-lake"):
        (tmp_path / lake).mkdir()
        (tmp_path / lake / "manifest.json").touch()
    remove_stack(tmp_path)
    assert (tmp_path / "lake" / "manifest.json").exists()
    assert not (tmp_path / "embedded-lake").exists()
