"""A finished run's output, read back from the archive, against the bytes that were written."""

import random
import re
from collections.abc import AsyncIterator
from itertools import accumulate
from pathlib import Path

import pytest
import zstandard

from server.errors import ArchiveDamagedError, RunNotFoundError
from server.models import Chunk
from server.output.marks import Mark
from server.repositories.database.database import Database
from server.services.archive import chunks
from server.services.archive.chunks import Chunks
from server.services.archive.reader import ArchivedOutput
from server.services.tasks import cancel_and_wait
from tests.integration.services.archive.harness import Site


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """Provide an Archiver that makes small chunks, so that an output has many."""
    site = Site(database, tmp_path, chunk_bytes=100)
    yield site
    await cancel_and_wait(site.archiving)


async def archived(site: Site, data: bytes) -> ArchivedOutput:
    """Have a run written and archived; return its output."""
    run = await site.run()
    run.write(data)
    run.end()
    assert await run.followed()
    return ArchivedOutput(await site.stored(run.id), Chunks(site.outputs))


OUTPUTS = {
    "empty": b"",
    "one line": b"one\n",
    "an unfinished line": b"one\ntw",
    "empty lines": b"\n" * 250,
    "a long line": b"x" * 999,
    "a line that ends with a chunk": b"x" * 99 + b"\n" + b"y" * 150,
    "many lines": b"".join(b"line %d\n" % number for number in range(100)),
    "random bytes": random.Random(1).randbytes(3000),
}


@pytest.mark.parametrize("data", OUTPUTS.values(), ids=OUTPUTS)
async def test_output_is_read_at_any_offset(site: Site, data: bytes) -> None:
    output = await archived(site, data)
    assert (output.size, output.ended) == (len(data), True)
    await output.grown(len(data) + 9)
    for offset in {0, 1, 99, 100, 101, 199, len(data) // 2, len(data) - 1, len(data), 9999}:
        if offset >= 0:
            read = await output.read(offset, 150)
            assert data[offset:].startswith(read)
            assert bool(read) == (offset < len(data))
    read = b""
    while piece := await output.read(len(read), 64):
        read += piece
    assert read == data


@pytest.mark.parametrize("data", OUTPUTS.values(), ids=OUTPUTS)
async def test_lines_are_found(site: Site, data: bytes) -> None:
    output = await archived(site, data)
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    starts = [0, *accumulate(map(len, lines))]
    for number in {1, 2, 3, len(lines) // 2 + 1, len(lines) + 1, 9999}:
        assert await output.line_offset(number) == starts[min(number - 1, len(lines))]
    for count in {0, 1, 2, len(lines) // 2, len(lines), 9999}:
        assert await output.tail_offset(count) == starts[max(0, len(lines) - count)]
    assert await output.line_count(len(data)) == len(lines)
    for offset in {0, 1, 99, 100, 101, len(data) // 2, len(data)}:
        assert await output.lines_before(offset) == data[:offset].count(b"\n")


@pytest.mark.parametrize("data", OUTPUTS.values(), ids=OUTPUTS)
async def test_any_part_is_sent_as_zstd(site: Site, data: bytes) -> None:
    output, size = await archived(site, data), len(data)
    for start, stop in [(0, size), (0, size // 3), (size // 3, size), (100, 200), (1, 2), (5, 5)]:
        pieces = output.compressed(start, min(stop, size), lambda: 64)
        frames = b"".join([piece async for piece in pieces])
        reader = zstandard.ZstdDecompressor().stream_reader(frames, read_across_frames=True)
        assert reader.read() == data[start:stop]


async def test_whatever_is_sent_as_zstd_has_a_checksum(site: Site) -> None:
    """Whole chunks and cut ones: their receiver finds out what was changed on the way."""
    output = await archived(site, b"x" * 200)
    for start, stop in [(0, 200), (3, 200), (3, 9)]:
        frames = [piece async for piece in output.compressed(start, stop, lambda: 4096)]
        assert frames
        assert all(zstandard.get_frame_parameters(frame).has_checksum for frame in frames)


async def test_each_byte_has_the_time_of_its_chunk(site: Site) -> None:
    run = await site.run()
    for text in [b"one\n", b"two\n"]:
        run.write(text)
        await run.archived()
    run.end()
    assert await run.followed()
    output = ArchivedOutput(await site.stored(run.id), Chunks(site.outputs))
    times = [await output.time_at(offset) for offset in range(8)]
    assert times == sorted(times)
    assert len(set(times[:4])) == len(set(times[4:])) == 1
    assert await output.time_at(99) == times[-1]


async def test_without_output_the_time_is_the_start(site: Site) -> None:
    run = await site.run()
    run.end()
    assert await run.followed()
    output = ArchivedOutput(await site.stored(run.id), Chunks(site.outputs))
    assert await output.time_at(0) == run.live.run.start_time.timestamp()


async def test_output_that_was_deleted_is_not_read(site: Site) -> None:
    """Also when its reader had begun."""
    output = await archived(site, b"x" * 5000)
    assert await output.read(0, 9)
    await site.database.fetch_all("DELETE FROM commands_info RETURNING 1")
    await site.database.fetch_all("DELETE FROM commands_info_output RETURNING 1")
    with pytest.raises(RunNotFoundError):
        await output.read(4999, 1)
    with pytest.raises(RunNotFoundError):
        [piece async for piece in output.compressed(0, 5000, lambda: 64)]
    assert await output.line_offset(1) == 0


async def test_what_is_kept_of_all_outputs_is_bounded(site: Site) -> None:
    """What was let go is read again; viewers of one run share what is kept."""
    outputs = [random.Random(seed).randbytes(2000) for seed in range(3)]
    runs = []
    chunks = Chunks(site.outputs, kept_bytes=450)
    for data in outputs:
        run = await site.run()
        run.write(data)
        run.end()
        assert await run.followed()
        runs.append(await site.stored(run.id))
    readers = [ArchivedOutput(run, chunks) for run in runs for _ in range(3)]
    read = [b"" for _ in readers]
    while any(len(data) < 2000 for data in read):
        for number, reader in enumerate(readers):
            read[number] += await reader.read(len(read[number]), 37)
            assert chunks.kept_bytes <= 450
    assert read == [data for data in outputs for _ in range(3)]


def packed(data: bytes) -> str:
    return f"'\\x{zstandard.compress(data).hex()}'::bytea"


SHORT, OTHER = packed(b"x" * 30 + b"\n"), packed(b"line 999\n" + b"y" * 91)
AT_300 = "WHERE byte_offset = 300"
DAMAGES = {
    "a frame that is too short": f"SET data = {SHORT} {AT_300}",
    "a frame that is too long": f"SET byte_count = 99 {AT_300}",
    "no frame": f"SET data = 'x' {AT_300}",
    "a frame without its end": f"SET data = substring(data FROM 1 FOR 20) {AT_300}",
    "a bit of its checksum": (
        "SET data = set_bit(data, 8 * length(data) - 1,"
        f" 1 - get_bit(data, 8 * length(data) - 1)) {AT_300}"
    ),
    "other lines": f"SET data = {OTHER} {AT_300}",
    "a hole": f"SET byte_offset = 9000 {AT_300}",
    "an overlap": f"SET byte_offset = 250 {AT_300}",
}


async def read_all(output: ArchivedOutput, read: bytearray) -> None:
    while piece := await output.read(len(read), 64):
        read += piece


async def send_all(output: ArchivedOutput, frames: bytearray) -> None:
    async for frame in output.compressed(0, output.size, lambda: 40):
        frames += frame


async def damage_archive(site: Site, damage: str) -> None:
    await site.database.fetch_all(f"UPDATE commands_info_output {DAMAGES[damage]} RETURNING 1")


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_archive_is_read_up_to_the_damage(site: Site, damage: str) -> None:
    """And no further: never other bytes, never without end. What lies behind it can be read."""
    data = OUTPUTS["many lines"]
    output = await archived(site, data)
    await damage_archive(site, damage)
    read = bytearray()
    with pytest.raises(ArchiveDamagedError, match="damaged at byte 300"):
        await read_all(output, read)
    assert read == data[:300]
    again = ArchivedOutput(output._run, Chunks(site.outputs))
    assert await again.read(500, 50) == data[500:550]


@pytest.mark.parametrize(
    "damage", ["a frame that is too short", "a hole", "an overlap", "no frame"]
)
async def test_what_is_damaged_is_not_sent_as_it_is_stored(site: Site, damage: str) -> None:
    data = OUTPUTS["many lines"]
    output = await archived(site, data)
    await damage_archive(site, damage)
    frames = bytearray()
    with pytest.raises(ArchiveDamagedError, match="damaged at byte 300"):
        await send_all(output, frames)
    reader = zstandard.ZstdDecompressor().stream_reader(frames, read_across_frames=True)
    assert reader.read() == data[:300]


async def test_an_output_that_is_shorter_than_its_row_says_is_damaged_at_its_end(
    site: Site,
) -> None:
    output = await archived(site, b"x" * 500)
    await site.database.fetch_all(
        "DELETE FROM commands_info_output WHERE byte_offset >= 400 RETURNING 1"
    )
    assert await output.line_count(500) == 0  # the last one, which has no end, cannot be seen
    with pytest.raises(ArchiveDamagedError, match="damaged at byte 499"):
        await output.tail_offset(1)
    with pytest.raises(ArchiveDamagedError, match="damaged at byte 400"):
        await output.read(400, 1)


async def test_chunks_of_before_there_was_a_checksum_are_read(site: Site) -> None:
    data = OUTPUTS["many lines"]
    output = await archived(site, data)
    older = f"SET data = {packed(data[300:400])} {AT_300}"
    await site.database.fetch_all(f"UPDATE commands_info_output {older} RETURNING 1")
    assert await output.read(300, 100) == data[300:400]


async def test_marks_are_unpacked_as_far_as_they_are_wanted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each chunk may have many, and nothing else is done meanwhile."""
    output = await archived(site, b"x" * 3000)
    spoilt = {"marks": b"\x00\x00\x05\x00\x05\x00"}
    await site.database.fetch_all(
        "UPDATE commands_info_output SET marks = %(marks)s RETURNING 1", spoilt
    )
    unpacked: list[int] = []
    marks_of = chunks.marks_of

    def count(chunk: Chunk) -> list[Mark]:
        unpacked.append(chunk.byte_offset)
        return marks_of(chunk)

    monkeypatch.setattr(chunks, "marks_of", count)
    found = await output.marks(150, 3000, 5)
    assert [mark.offset for mark in found] == [110, 200, 205, 210, 300]
    assert unpacked == [100, 200, 300]
    assert [mark.offset for mark in await output.marks(150, 206, 5)] == [110, 200, 205]
