"""The name an event counts under, or `unknown`."""

import pytest

from app.domain.names import name_or_unknown
from tests.support.unnamed import NAMED, UNNAMED


@pytest.mark.parametrize("name", UNNAMED)
def test_what_names_nothing_is_unknown(name: str | None) -> None:
    assert name_or_unknown(name) == "unknown"


@pytest.mark.parametrize("name", NAMED)
def test_every_other_name_stays_as_it_came(name: str) -> None:
    assert name_or_unknown(name) == name
