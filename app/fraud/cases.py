"""Cases: an order's verdict as somebody's work. Every change says who, and makes the next version."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias, get_args

import asyncpg

from app.fraud.labels import Label, OrderLabel, store_labels
from app.fraud.rule_errors import InvalidRuleError, UnknownNameError, VersionConflictError
from app.fraud.texts import MAX_NAME, MAX_NOTE, checked_text

Status: TypeAlias = Literal["open", "confirmed", "dismissed"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
#: What closing a case says of its order. Opening it again takes nothing back: the next label will.
_MEANS: Final[dict[Status, Label]] = {"confirmed": "fraud", "dismissed": "legitimate"}
_LOCKED: Final = "SELECT transaction_id, status, assignee, version FROM cases WHERE case_id = $1 FOR UPDATE"
_UPDATE: Final = """
UPDATE cases SET status = $2::TEXT, assignee = $3, version = version + 1,
    closed_at = CASE WHEN $2::TEXT = 'open' THEN NULL WHEN status = $2::TEXT THEN closed_at ELSE $4 END
WHERE case_id = $1"""
_INSERT_EVENT: Final = "INSERT INTO case_events (case_id, author, action, note) VALUES ($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True)
class CaseChange:
    """What is to change; None leaves the status or the assignee as it is, `unassign` removes the assignee."""

    status: Status | None = None
    assignee: str | None = None
    unassign: bool = False
    note: str = ""


async def change_case(
    connection: asyncpg.Connection,
    case_id: int,
    change: CaseChange,
    author: str,
    now: datetime,
    expected_version: int | None = None,
) -> None:
    """Changes a case in one transaction and notes who did what; confirming and dismissing label its order as of now.

    A case that is so already stays at its version. Raises UnknownNameError without such a case, VersionConflictError
    if it has another version than expected, InvalidRuleError for a change that says nothing or a text that cannot be
    stored.
    """
    _check(change)
    async with connection.transaction():
        case = await connection.fetchrow(_LOCKED, case_id)
        if case is None:
            raise UnknownNameError(f"there is no case {case_id}")
        if expected_version not in (None, case["version"]):
            current = case["version"]
            text = f"case {case_id} is at version {current}, not {expected_version}: read it again, then change it"
            raise VersionConflictError(text, current)
        events = list(_events(change, case["status"], case["assignee"]))
        if not events:
            return
        status = change.status or case["status"]
        assignee = None if change.unassign else change.assignee or case["assignee"]
        await connection.execute(_UPDATE, case_id, status, assignee, now)
        for action, note in events:
            await connection.execute(_INSERT_EVENT, case_id, author, action, note)
        if status != case["status"] and status in _MEANS:
            label = OrderLabel(case["transaction_id"], _MEANS[status], "analyst", now)
            await store_labels(connection, [label], author)


def _check(change: CaseChange) -> None:
    if change == CaseChange():
        raise InvalidRuleError("status: nothing is to change; give a status, an assignee or a note")
    checked_text("note", change.note, MAX_NOTE)
    if change.assignee is not None:
        checked_text("assignee", change.assignee, MAX_NAME, 1)


def _events(change: CaseChange, status: str, assignee: str | None) -> Iterator[tuple[str, str]]:
    """Yields what happened, the note with the first."""
    actions = []
    if change.status not in (None, status):
        actions.append("reopened" if change.status == "open" else str(change.status))
    if change.unassign and assignee is not None:
        actions.append("unassigned")
    elif change.assignee not in (None, assignee):
        actions.append("assigned")
    if change.note and not actions:
        actions.append("noted")
    for place, action in enumerate(actions):
        yield action, change.note if place == 0 else ""
