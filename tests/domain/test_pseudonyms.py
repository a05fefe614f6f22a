"""Erased users are recognised by a keyed hash and named by what cannot be worked out."""

from app.domain.pseudonyms import NO_ERASED_USERS, PREFIX, ErasedUsers, Pseudonym, user_hash

KEY = b"k" * 32
ADA = Pseudonym(PREFIX + "1" * 32, b"s" * 32)
ERASED = ErasedUsers(KEY, {user_hash(KEY, "ada"): ADA})


def test_an_erased_user_is_found_and_nobody_else() -> None:
    assert ERASED.find("ada") is ADA
    assert [ERASED.find(name) for name in ("Ada", "ada ", "", "bob", ADA.user_id)] == [None] * 5


def test_another_key_knows_nobody() -> None:
    assert ErasedUsers(b"other", ERASED.users).find("ada") is None


def test_equal_sessions_stay_equal_and_say_nothing_of_themselves() -> None:
    first, again, other = (ADA.keyed(name) for name in ("s1", "s1", "s2"))
    assert first == again != other
    assert first.startswith(PREFIX)
    assert len(first) == len(ADA.user_id) == 39
    assert Pseudonym(ADA.user_id, b"t" * 32).keyed("s1") != first


def test_it_is_false_while_nobody_is_erased() -> None:
    assert (bool(NO_ERASED_USERS), bool(ERASED)) == (False, True)
