"""Merge join of expected and found rows, both sorted by the same key."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def nulls_first(*parts: Any) -> tuple[Any, ...]:
    """Returns a sort key with None first, like the queries' NULLS FIRST."""
    return tuple((part is not None, part) if part is not None else (False, 0) for part in parts)


async def merge(
    expected: Iterator[Left],
    found: AsyncIterator[Right],
    expected_key: Callable[[Left], Any],
    found_key: Callable[[Right], Any],
) -> AsyncIterator[tuple[Left | None, Right | None]]:
    """Yields pairs with equal keys; None where one side has no such key."""
    left, right = next(expected, None), await anext(found, None)
    while left is not None or right is not None:
        left_key = expected_key(left) if left is not None else None
        right_key = found_key(right) if right is not None else None
        take_left = right_key is None or (left_key is not None and left_key <= right_key)
        take_right = left_key is None or (right_key is not None and right_key <= left_key)
        yield (left if take_left else None, right if take_right else None)
        if take_left:
            left = next(expected, None)
        if take_right:
            right = await anext(found, None)
