"""The form of secrets."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.services.access.credentials import (
    RANDOM_BYTES,
    digest,
    is_token,
    new_token,
    new_value,
    token_of,
)

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = re.compile(r"tlr_[0-9A-Za-z]{43}[0-9A-Za-z]{6}")


def test_a_token_is_256_bits_in_base_62_and_their_checksum() -> None:
    assert token_of(bytes(RANDOM_BYTES)) == f"tlr_{'0' * 43}{checksum(b'0' * 43)}"
    most = token_of(b"\xff" * RANDOM_BYTES)
    value = 0
    for character in most[4:47]:
        value = 62 * value + ALPHABET.index(character)
    assert value == 2**256 - 1
    assert most[47:] == checksum(most[4:47].encode())


def checksum(body: bytes) -> str:
    """Reckon a CRC-32 bit by bit (ISO 3309), and write it in base 62."""
    value = 0xFFFFFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return "".join(ALPHABET[value // 62**place % 62] for place in reversed(range(6)))


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_each_token_has_the_form_of_one(random: bytes) -> None:
    token = token_of(random)
    assert FORM.fullmatch(token)
    assert is_token(token)


@given(
    st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES),
    st.integers(0, 52),
    st.characters(),
)
def test_one_wrong_character_is_noticed(random: bytes, place: int, other: str) -> None:
    token = token_of(random)
    changed = token[:place] + other + token[place + 1 :]
    assert is_token(changed) == (changed == token)


@pytest.mark.parametrize(
    "text",
    ["", "tlr_", "tlr_" + "0" * 49, "x" * 53, token_of(bytes(32))[:-1], token_of(bytes(32)) + "0"],
)
def test_what_is_no_token_is_told_by_its_form(text: str) -> None:
    assert not is_token(text)


def test_digits_of_other_alphabets_are_none() -> None:
    body = "\u0660" * 43  # ARABIC-INDIC DIGIT ZERO, which str.isdigit() takes for a digit
    assert not is_token(f"tlr_{body}000000")


def test_no_two_secrets_are_the_same() -> None:
    assert len({new_token() for _ in range(1000)}) == 1000
    assert len({new_value() for _ in range(1000)}) == 1000


def test_a_value_is_43_letters_and_digits() -> None:
    assert re.fullmatch(r"[0-9A-Za-z]{43}", new_value())


def test_what_is_stored_is_the_sha256() -> None:
    assert digest("tlr_abc") == hashlib.sha256(b"tlr_abc").digest()
    assert len(digest("\ud800")) == 32  # a header may hold what UTF-8 cannot write
