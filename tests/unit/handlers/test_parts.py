"""Parts of an output over HTTP."""

from typing import TYPE_CHECKING

import pytest

from server.handlers.parts import Part, place_of, plain_bytes
from server.output.cursor import Pace
from server.output.index import OutputDamagedError

if TYPE_CHECKING:
    from server.output.source import Output


class Cut:
    """An output that has become shorter since its size was looked at."""

    async def read(self, offset: int, limit: int) -> bytes:
        return b"hello"[offset : offset + limit]

    async def lines_before(self, offset: int) -> int:
        raise OutputDamagedError(f"{offset} is beyond the end")

    size = 9


async def test_a_part_that_is_gone_meanwhile_is_broken_off() -> None:
    """It holds nobody up: to read on would find nothing, at once, for ever."""
    output: Output = Cut()  # type: ignore[assignment]
    pieces = plain_bytes(output, Part(2, 9), Pace())
    assert await anext(pieces) == b"llo"
    with pytest.raises(OutputDamagedError):
        await anext(pieces)


async def test_where_a_part_is_that_is_gone_meanwhile_is_not_told() -> None:
    """What can be read of it is sent all the same."""
    output: Output = Cut()  # type: ignore[assignment]
    assert await place_of(output, Part(2, 9)) == {}
