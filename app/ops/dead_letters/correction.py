"""Corrections of a rejected record: a JSON merge patch (RFC 7396), another value, the proper key. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import GlobalMartError
from app.topics import SOURCES


class DeadLetterError(GlobalMartError):
    """A dead letter does not exist, cannot be corrected as requested, or could not be sent."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A change: `value` replaces the bytes, `patch` fields of the event, `rekey` the key."""

    patch: Mapping[str, Any] | None = None
    value: bytes | None = None
    rekey: bool = False

    def apply(self, topic: str, key: bytes | None, value: bytes | None) -> tuple[bytes | None, bytes | None]:
        """Returns the key and value to send; raises DeadLetterError if the value is not a JSON object."""
        if self.value is not None:
            value = self.value
        if self.patch:
            value = orjson.dumps(merge(_document(value), self.patch))
        if self.rekey:
            field = SOURCES[topic].record_key
            name = _document(value).get(field)
            if not isinstance(name, str):
                raise DeadLetterError(f"the event has no {field} for its key")
            key = name.encode()
        return key, value


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Parses `field=value` to a patch: JSON if it is JSON, else text; null removes the field."""
    patch: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not name or not equals:
            raise DeadLetterError(f"{assignment!r} is not field=value")
        try:
            patch[name] = loads(text)
        except ValueError:
            patch[name] = text
    return patch


def parse_patch(text: bytes) -> dict[str, Any]:
    """Parses a patch file; raises DeadLetterError unless it is a JSON object."""
    return _document(text)


def merge(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merges the patch into the document by RFC 7396: null removes a field, objects are merged recursively."""
    merged = dict(document)
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, dict):
            inner = merged.get(name)
            merged[name] = merge(inner if isinstance(inner, dict) else {}, change)
        else:
            merged[name] = change
    return merged


def loads(text: str | bytes) -> Any:
    """Parses JSON and keeps the digits of numbers: no amount passes through a float."""
    return json.loads(text, parse_float=_digits, parse_int=_digits, parse_constant=_refuse_constant)


def _document(value: bytes | None) -> dict[str, Any]:
    try:
        document = loads(value or b"")
    except ValueError as error:
        raise DeadLetterError(f"not JSON ({error}); pass the whole value with --value FILE") from None
    if not isinstance(document, dict):
        raise DeadLetterError("not a JSON object; pass the whole value with --value FILE")
    return document


def _digits(text: str) -> orjson.Fragment:
    return orjson.Fragment(text)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
