"""The way through a finished run's output, in threads: all of it, in order, a batch ahead."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from server.errors import ArchiveDamagedError
from server.models import Chunk
from server.services.archive.chunks import FETCH_CHUNKS
from server.services.archive.reader import ArchivedOutput
from tests.integration.services.archive.harness import Site
from tests.integration.services.archive.test_reader import (
    DAMAGES,
    OUTPUTS,
    archived,
    damage_archive,
    site,
)

__all__ = ["site"]

CHUNK_BYTES = 100
DATA = b"".join(b"line %d\n" % number for number in range(1000))


class Taker:
    """Takes pieces, up to `limit` bytes a turn."""

    def __init__(self, limit: int = 10**9) -> None:
        self.taken = b""
        self.limit = limit

    def __call__(self, piece: bytes) -> bool:
        self.taken += piece
        return len(self.taken) < self.limit


async def take_all(output: ArchivedOutput, taker: Taker, start: int, turn: int) -> None:
    """Take what there is from `start` on, in turns of about so many bytes."""
    with ThreadPoolExecutor(1) as threads:
        async with output.in_pieces(threads) as give:
            while start + len(taker.taken) < output.size:
                taker.limit = len(taker.taken) + turn
                await give(start + len(taker.taken), taker)


@pytest.mark.parametrize("data", OUTPUTS.values(), ids=OUTPUTS)
async def test_all_of_it_is_taken_in_turns_from_any_offset_on(site: Site, data: bytes) -> None:
    output = await archived(site, data)
    for start, turn in [(0, 10**9), (0, 1), (1, 150), (99, 450), (100, 1), (len(data), 1)]:
        taker = Taker()
        await take_all(output, taker, start, turn)
        assert taker.taken == data[start:]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_archive_is_taken_up_to_the_damage(site: Site, damage: str) -> None:
    output = await archived(site, OUTPUTS["many lines"])
    await damage_archive(site, damage)
    taker = Taker()
    with pytest.raises(ArchiveDamagedError, match="damaged at byte 300"):
        await take_all(output, taker, 0, 10**9)
    assert taker.taken == OUTPUTS["many lines"][:300]


async def test_no_more_than_a_batch_is_read_ahead(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = await archived(site, DATA)
    fetch, taker, ahead = site.outputs.chunks, Taker(), list[int]()

    async def chunks(run_id: Any, offset: int, limit: int) -> list[Chunk]:
        found = await fetch(run_id, offset, limit)
        ahead.append(found[-1].end - len(taker.taken))
        return found

    monkeypatch.setattr(site.outputs, "chunks", chunks)
    await take_all(output, taker, 0, 10**9)
    assert taker.taken == DATA
    assert max(ahead) <= 2 * FETCH_CHUNKS * CHUNK_BYTES  # what is taken, and one batch more


async def test_what_is_looked_at_does_not_wait_for_what_is_read_ahead_which_ends_with_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = await archived(site, DATA)
    fetch, taker, ended = site.outputs.chunks, Taker(3 * CHUNK_BYTES), list[int]()

    async def chunks(run_id: Any, offset: int, limit: int) -> list[Chunk]:
        if offset > CHUNK_BYTES:  # what is ahead of the second batch
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(offset)
        return await fetch(run_id, offset, limit)

    monkeypatch.setattr(site.outputs, "chunks", chunks)
    with ThreadPoolExecutor(1) as threads:
        async with output.in_pieces(threads) as give:
            await give(0, taker)
            await asyncio.sleep(0)
    assert taker.taken == DATA[: 3 * CHUNK_BYTES]
    assert ended == [(1 + FETCH_CHUNKS) * CHUNK_BYTES]


async def test_what_no_thread_is_free_to_decompress_is_not_waited_for(
    site: Site,
) -> None:
    output = await archived(site, DATA)
    busy = threading.Event()
    unpacking = output._chunks.unpacking.submit(busy.wait)
    try:
        taker = Taker()
        await take_all(output, taker, 0, 10**9)
        assert taker.taken == DATA
    finally:
        busy.set()
        unpacking.result()
