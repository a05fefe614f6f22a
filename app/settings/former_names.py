"""Settings that were renamed: their former names work for one release, with a warning."""

import logging
from collections.abc import Mapping
from typing import Final, TypeVar

from app.errors import SettingsError

logger = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")

#: The present name of each former one. Release 1.1 drops those of 0.x.
FORMER_NAMES: Final[Mapping[str, str]] = {
    "GLOBALMART_API_PAST_ANSWERS": "GLOBALMART_API_HISTORY_CACHE_SIZE",
    "GLOBALMART_API_PAST_SECONDS": "GLOBALMART_API_HISTORY_CACHE_SECONDS",
    "GLOBALMART_API_RUN_LOOK_SECONDS": "GLOBALMART_API_RUN_POLL_SECONDS",
    "GLOBALMART_API_RUN_ANSWERS": "GLOBALMART_API_RUN_CACHE_SIZE",
}


def with_present_names(values: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """The variables of one source under their present names; logs a warning for each former one.

    Raises SettingsError where a source gives a setting under both names.
    """
    present = dict(values)
    for former, name in FORMER_NAMES.items():
        value = present.pop(former, None)
        if not value:
            continue
        if present.get(name):
            raise SettingsError(f"{former}: {name} is set, too, and is its present name; remove {former}")
        logger.warning("%s was renamed: set %s instead", former, name)
        present[name] = value
    return present
