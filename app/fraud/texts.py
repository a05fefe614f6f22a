"""Texts that people give to the desk."""

from typing import Final

from app.fraud.rule_errors import InvalidRuleError

MAX_REASON: Final = 500
MAX_NOTE: Final = 2_000
MAX_NAME: Final = 100
#: Characters of a value of a list.
MAX_VALUE: Final = 100


def checked_text(field: str, text: str, longest: int, shortest: int = 0) -> str:
    """Returns the text; raises InvalidRuleError, which names the field, for one that cannot be stored."""
    if not shortest <= len(text) <= longest or "\0" in text:
        raise InvalidRuleError(f"{field}: write {shortest} to {longest:,} characters, none of them NUL")
    return text
