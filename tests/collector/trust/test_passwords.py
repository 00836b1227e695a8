"""Passwords: never kept, never short."""

import pytest
from chainwatch_collector.trust.passwords import PasswordError, hashed, matches

WORD = "correct horse battery"


def test_a_hash_knows_its_password_and_does_not_show_it() -> None:
    stored = hashed(WORD)
    assert WORD not in stored
    assert stored.startswith("scrypt$15$8$1$")
    assert hashed(WORD) != stored
    assert matches(WORD, stored)
    assert not matches(WORD + " ", stored)
    assert not matches(WORD, None)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_wrong_length_is_refused_without_saying_the_password(password: str) -> None:
    with pytest.raises(PasswordError, match="12 to 256 characters") as raised:
        hashed(password)
    assert not password or password not in str(raised.value)
