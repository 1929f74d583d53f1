import codecs

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from server.output.frames import cut_characters, cut_lines, json_output, to_text

PIECES = st.sampled_from(
    [b"\n", b"\r", b"\0", b"a", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xff", b"\xed\xa0"]
    + [character.encode() for character in "é€\U0001f600"]
)
DATA = st.lists(PIECES | st.binary(max_size=4), max_size=12).map(b"".join)


@given(DATA)
@example(b"")
@example(b"no newline")
def test_lines_are_cut_behind_the_last_newline(data: bytes) -> None:
    cut = cut_lines(data)
    assert b"\n" not in data[cut:]
    assert cut == 0 or data[cut - 1 : cut] == b"\n"


@given(DATA)
def test_characters_are_cut_where_an_incremental_decoder_would(data: bytes) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    pending, _ = decoder.getstate()
    assert cut_characters(data) == len(data) - len(pending)


@given(DATA, DATA)
def test_text_cut_between_characters_is_the_text_of_the_whole(head: bytes, tail: bytes) -> None:
    cut = cut_characters(head)
    parts = [head[:cut], head[cut:] + tail]
    assert b"".join(map(to_text, parts)) == to_text(head + tail)


@given(DATA)
def test_text_is_valid_and_replaces_what_is_not(data: bytes) -> None:
    assert to_text(data).decode() == data.decode(errors="replace")


def test_text_that_is_valid_is_not_copied() -> None:
    data = "grüße\0".encode()
    assert to_text(data) is data


@given(DATA, st.integers(0, 2**62), st.integers(1, 2**62))
def test_a_json_frame_tells_its_place_and_that_of_the_following(
    data: bytes, offset: int, line: int
) -> None:
    assert orjson.loads(json_output(offset, line, 1.5, data)) == {
        "type": "output",
        "offset": offset,
        "next": offset + len(data),
        "line": line,
        "time": 1.5,
        "text": data.decode(errors="replace"),
    }
