import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import MessageTooLargeError, WireError, WireVersionError
from server.wire import codec
from server.wire.codec import MAX_BLOBS, Parts, decode, encode

numbers = st.integers(min_value=-(2**63), max_value=2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)
heads = st.dictionaries(texts.filter(lambda name: name not in codec.OWN_FIELDS), plain)


def message(head: object, rest: bytes = b"") -> bytes:
    """Return a message with this head, whatever it is."""
    text = orjson.dumps(head)
    return struct.pack(">I", len(text)) + text + rest


@given(heads, st.lists(st.binary()).map(tuple))
def test_what_is_written_is_read_again(head: dict[str, object], blobs: tuple[bytes, ...]) -> None:
    parts = Parts(head, blobs)

    assert decode(encode(parts)) == parts


@given(st.binary())
def test_bytes_that_are_no_message_are_refused_and_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(data)


@given(heads, st.lists(st.binary(), min_size=1).map(tuple), st.data())
def test_a_message_that_was_cut_or_lengthened_is_refused(
    head: dict[str, object], blobs: tuple[bytes, ...], data: st.DataObject
) -> None:
    whole = encode(Parts(head, blobs))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    for wrong in (cut, whole + b"x"):
        with pytest.raises(WireError):
            decode(wrong)


def test_a_message_is_as_the_page_of_the_codec_says() -> None:
    data = encode(Parts({"word": "claim"}, (b"\x00\xff", b"")))

    assert data == b'\x00\x00\x00\x27{"v":1,"blobs":[2,0],"word":"claim"}\x00\xff'.replace(
        b"\x27", bytes([len('{"v":1,"blobs":[2,0],"word":"claim"}')])
    )


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0, [1]])
def test_another_version_is_refused_by_its_name(version: object) -> None:
    with pytest.raises(WireVersionError, match="knows version 1") as refused:
        decode(message({"v": version}))

    assert f"of version {version!r}" in str(refused.value)


def test_fields_that_are_not_known_are_read_and_left_to_the_reader() -> None:
    assert decode(message({"v": 1, "from": "the future"})).head == {"from": "the future"}


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        ([1], b""),
        ({"v": 1, "blobs": 3}, b"abc"),
        ({"v": 1, "blobs": [-1, 1]}, b""),
        ({"v": 1, "blobs": [True]}, b"a"),
        ({"v": 1, "blobs": ["1"]}, b"a"),
        ({"v": 1, "blobs": [2]}, b"a"),
        ({"v": 1, "blobs": [2**62]}, b"a"),
        ({"v": 1, "blobs": [0] * (MAX_BLOBS + 1)}, b""),
        ({"v": 1}, b"a"),
    ],
)
def test_lengths_that_are_wrong_are_refused(head: object, rest: bytes) -> None:
    with pytest.raises(WireError):
        decode(message(head, rest))


def test_what_is_nested_too_deeply_is_refused() -> None:
    text = b'{"v":1,"a":' + b"[" * 100_000
    with pytest.raises(WireError):
        decode(struct.pack(">I", len(text)) + text)


def test_what_is_larger_than_the_engine_takes_is_refused_with_the_mend() -> None:
    parts = Parts({}, (bytes(100),))
    size = len(encode(parts))

    assert len(encode(parts, size)) == size
    with pytest.raises(
        MessageTooLargeError, match=rf"{size} bytes.*{size - 1}\. Raise max_payload"
    ):
        encode(parts, size - 1)


def test_what_json_has_not_is_refused() -> None:
    with pytest.raises(WireError, match="cannot be written"):
        encode(Parts({"number": 2**64}))
