"""Where the consumer stands: examples, and a model that remembers everything."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.kafka.positions import Positions


def test_an_unknown_partition_is_held() -> None:
    positions: Positions[str] = Positions()
    assert positions.position("a") is None
    assert positions.resumed() == frozenset()
    assert positions.take_seeks() == {}
    assert not positions.is_contiguous("a", 0)


def test_a_gap_is_believed_right_after_a_seek_to_the_very_position() -> None:
    positions: Positions[str] = Positions()
    positions.resume_at("a", 10)
    assert positions.is_contiguous("a", 10)
    assert not positions.is_contiguous("a", 12), "the seek has not been made yet"
    assert positions.take_seeks() == {"a": 10}
    assert positions.is_contiguous("a", 12)
    assert not positions.is_contiguous("a", 9), "older records than the ledger asked for"
    positions.advance("a", 13)
    assert positions.is_contiguous("a", 13)
    assert not positions.is_contiguous("a", 14), "records were dropped on the way"


def test_an_answer_to_an_earlier_question_is_none() -> None:
    positions: Positions[str] = Positions()
    positions.resume_at("a", 10)
    assert not positions.was_sought("a"), "the seek has not been made yet"
    positions.take_seeks()
    assert positions.was_sought("a")
    positions.resume_at("a", 10)
    assert not positions.was_sought("a"), "somebody doubted, and the client has not been sent there again"
    positions.pause(["a"])
    assert not positions.was_sought("a")


def test_a_hold_cancels_the_seek_that_is_due() -> None:
    positions: Positions[str] = Positions()
    positions.resume_at("a", 10)
    positions.pause(["a"])
    assert positions.take_seeks() == {}
    assert not positions.is_contiguous("a", 10)


@dataclass
class Partition:
    """The model: everything that was ever said about a partition."""

    position: int | None = None
    changes: int = 0
    seek: int | None = None
    sought: int | None = None


_NAMES = st.sampled_from("abc")
_OFFSETS = st.integers(0, 8)


class PositionsMachine(RuleBasedStateMachine):
    """Any order of calls keeps the book and the model together."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: Positions[str] = Positions()
        self.model = {name: Partition() for name in "abc"}

    @rule(names=st.sets(_NAMES))
    def pause(self, names: set[str]) -> None:
        self.positions.pause(names)
        for name in names:
            partition = self.model[name]
            partition.position = partition.seek = partition.sought = None
            partition.changes += 1

    @rule(name=_NAMES, offset=_OFFSETS)
    def resume_at(self, name: str, offset: int) -> None:
        self.positions.resume_at(name, offset)
        partition = self.model[name]
        partition.position = partition.seek = offset
        partition.sought = None
        partition.changes += 1

    @rule()
    def take_seeks(self) -> None:
        due = {name: p.seek for name, p in self.model.items() if p.seek is not None}
        assert self.positions.take_seeks() == due
        for name, offset in due.items():
            self.model[name].sought = offset
            self.model[name].seek = None

    @rule(name=_NAMES, records=st.integers(1, 3))
    def advance(self, name: str, records: int) -> None:
        partition = self.model[name]
        if partition.position is not None:
            partition.position += records
            self.positions.advance(name, partition.position)

    @rule(name=_NAMES, first=_OFFSETS)
    def is_contiguous(self, name: str, first: int) -> None:
        partition = self.model[name]
        at = partition.position
        believed = at is not None and (first == at or (first > at and partition.sought == at))
        assert self.positions.is_contiguous(name, first) is believed

    @invariant()
    def book_and_model_agree(self) -> None:
        for name, partition in self.model.items():
            assert self.positions.position(name) == partition.position
            assert self.positions.epoch(name) == partition.changes
            at = partition.position
            assert self.positions.was_sought(name) is (at is not None and partition.sought == at)
        held = {name for name, partition in self.model.items() if partition.position is None}
        assert self.positions.resumed() == frozenset("abc") - held


PositionsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestPositionsMachine = PositionsMachine.TestCase
