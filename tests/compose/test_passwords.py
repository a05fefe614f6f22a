import json
import stat
from pathlib import Path

from compose.embedded.postgres_server import ROLES, load_passwords


def test_passwords_are_random_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    made = load_passwords(path)
    assert set(made) == set(ROLES)
    assert len(set(made.values())) == len(ROLES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_passwords(path) == made


def test_a_role_added_later_gets_one_without_changing_the_others(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    path.write_text(json.dumps({ROLES[0]: "kept"}))
    made = load_passwords(path)
    assert made[ROLES[0]] == "kept"
    assert set(made) == set(ROLES)
