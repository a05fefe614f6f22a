"""The contract between the warehouse's writer and its readers: collection names, the pointer, versions of facts.

How to read it: fetch `published_run` (`_id: "current"`) once per request. `marts.NAME` has the `collection` to read
and the mart's `as_of`. A fact's collection has several versions of a day: add `visible(version)` with the mart's
`version`. The previous run stays readable until the next publish, so a request begun before a switch completes.
"""

from typing import Any, Final

from app.errors import text_of

Document = dict[str, Any]

POINTER: Final = "published_run"
#: The only document of the pointer's collection.
CURRENT: Final = {"_id": "current"}
RUNS: Final = "batch_runs"
#: `until` of a current row: the greatest integer that JSON readers support.
OPEN: Final = 2**53 - 1


def cause_of(error: Exception) -> str:
    """Returns the text of a driver's error without the list of timeouts and servers."""
    return text_of(error).split(" (configured timeouts")[0].split(", full error")[0]


def visible(version: int) -> Document:
    """Returns the filter for one version of a fact."""
    return {"since": {"$lte": version}, "until": {"$gt": version}}
