"""The field's words: what was retired from code, messages and chapters stays retired."""

import re
import subprocess
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]
#: Rounding "away from zero" is the standard's own word; `told_position` is a column, and columns keep their names.
_RETIRED: Final = re.compile(
    r"\b(told(?! position)|away(?! from zero)|anew|beside|good-?bye|cures?|lets? (\w+ )?in|stands? for|lacks|puts? back"
    r")\b",
    re.IGNORECASE,
)
#: What a database has applied does not change; other people's words do not either.
_NOT_OURS: Final = ("app/postgres/migrations/", "requirements.lock")


def _lines() -> list[str]:
    """Every line of text that is under version control, with its place."""
    command = ["git", "grep", "-nI", "", "--", "*.py", "*.md", "*.sql", "*.y*ml", "*.toml", "Makefile", "compose"]
    found = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if not line.startswith((*_NOT_OURS, "tests/test_words.py:"))]


def test_words_that_were_retired_are_not_used() -> None:
    lines = _lines()
    assert len(lines) > 50_000
    # `_` is a letter to a regular expression, but ends a word in a name.
    assert [line for line in lines if _RETIRED.search(line.replace("_", " "))] == []
