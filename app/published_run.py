"""The warehouse in MongoDB as its writer and its readers agree on it: names, the pointer, versions of facts.

How to read it: fetch `published_run` (`_id: "current"`) once per answer. `marts.NAME` tells the
`collection` to read and the mart's `as_of`. A fact's collection holds several versions of a day: add
`visible(version)` with the mart's `version`. The run before stays readable until the next publish, so an answer
begun before a switch ends whole.
"""

from typing import Any, Final

from app.errors import text_of

Document = dict[str, Any]

POINTER: Final = "published_run"
#: The one document of the pointer's collection.
CURRENT: Final = {"_id": "current"}
RUNS: Final = "batch_runs"
#: `until` of a row nothing has replaced: the greatest whole number JSON readers bear.
OPEN: Final = 2**53 - 1


def cause_of(error: Exception) -> str:
    """What a driver's error says, without its account of timeouts and servers."""
    return text_of(error).split(" (configured timeouts")[0].split(", full error")[0]


def visible(version: int) -> Document:
    """The filter that shows one version of a fact."""
    return {"since": {"$lte": version}, "until": {"$gt": version}}
