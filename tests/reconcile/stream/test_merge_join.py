"""Expected and found rows side by side."""

from collections.abc import AsyncIterator

import pytest

from app.reconcile.stream.merge_join import merge, nulls_first


async def rows(values: list[int]) -> AsyncIterator[int]:
    for value in values:
        yield value


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ([], [], []),
        ([1, 2], [1, 2], [(1, 1), (2, 2)]),
        ([1, 3], [2], [(1, None), (None, 2), (3, None)]),
        ([], [1], [(None, 1)]),
        ([1], [], [(1, None)]),
        ([1], [1, 1], [(1, 1), (None, 1)]),
    ],
)
async def test_merge(left: list[int], right: list[int], pairs: list[tuple[int | None, int | None]]) -> None:
    found = [pair async for pair in merge(iter(left), rows(right), abs, abs)]
    assert found == pairs


def test_none_sorts_before_everything() -> None:
    keys = [(2, None, "a"), (1, "", None), (1, None, None), (1, "a", None), (2, None, None)]
    ordered = [(1, None, None), (1, "", None), (1, "a", None), (2, None, None), (2, None, "a")]
    assert sorted(keys, key=lambda key: nulls_first(*key)) == ordered
