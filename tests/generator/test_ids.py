"""Ids of a run: never equal, and in the order they were made."""

from app.generator.record import Ids, ordered_text


def test_texts_sort_as_their_numbers_do() -> None:
    numbers = [1, 2, 9, 10, 35, 36, 37, 1295, 1296, 46_655, 46_656, 10**6, 10**9, 10**12, 10**15]
    texts = [ordered_text(number) for number in numbers]
    assert texts == sorted(texts, key=str.encode)
    assert [int(text[1:], 36) for text in texts] == numbers


def test_ids_of_a_run_differ_and_rise() -> None:
    ids = Ids("0123456789")
    for make in (ids.session, ids.order, ids.event):
        made = [make() for _ in range(5000)]
        assert made == sorted(set(made))
