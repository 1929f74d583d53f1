"""The Archiver on a real database and real spools: every byte once, the end with the last."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from server.models import RunState
from server.output.frames import cut_characters
from server.repositories.database.database import Database
from server.repositories.runs import RunRepository
from server.services.archive import archiver
from server.services.archive.packing import Packing
from server.services.tasks import cancel_and_wait
from tests.integration.services.archive.harness import PREVIEW_BYTES, LiveLog, Site
from tests.support.postgres import execute
from tests.support.waiting import patience, until


@pytest.fixture
async def site(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    monkeypatch.setattr(archiver, "RETRY_SECONDS", (0,))
    site = Site(database, tmp_path)
    yield site
    await cancel_and_wait(site.archiving)


def random_bytes(generator: random.Random) -> bytes:
    """Return text of characters of 1 to 4 bytes, NUL among them, some of it broken."""
    text = "".join(generator.choice("ab\n\0üß€漢🦊") for _ in range(generator.randint(0, 150)))
    data = bytearray(text.encode())
    for _ in range(generator.randint(0, 5)):
        data.insert(generator.randint(0, len(data)), generator.randint(0x80, 0xFF))
    return bytes(data[: generator.randint(0, len(data))])


def expected_preview(data: bytes) -> str:
    whole = len(data) if len(data) <= PREVIEW_BYTES else cut_characters(data[:PREVIEW_BYTES])
    return data[:whole].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("seed", range(20))
async def test_the_preview_is_cut_between_characters_however_it_is_flushed(
    site: Site, seed: int
) -> None:
    generator = random.Random(seed)
    run, data = await site.run(), random_bytes(generator)
    cuts = sorted(generator.randint(0, len(data)) for _ in range(generator.randint(0, 9)))
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        run.write(data[start:stop])
        await run.archived()
    run.end()
    await run.assert_whole()
    assert await site.preview(run.id) == expected_preview(data)


async def test_a_run_is_told_to_run_before_it_writes(site: Site) -> None:
    run = await site.run()
    await until(lambda: len(site.outputs.advances) == 1)
    stored = await site.stored(run.id)
    assert (stored.state, stored.start_time) == (RunState.RUNNING, run.live.run.start_time)
    run.end()
    await run.assert_whole()


async def test_the_end_is_told_only_with_the_last_byte(site: Site) -> None:
    """What is more than a batch takes several; the run had ended before the first."""
    run = await site.run()
    run.write(b"0123456789abcde\n" * (3 * archiver.BATCH_BYTES // 16))
    run.end()
    await run.assert_whole()
    ends = [advance.to_offset for advance in site.outputs.advances if advance.end is not None]
    assert ends == [3 * archiver.BATCH_BYTES]
    assert len(site.outputs.advances) >= 3


async def test_each_step_is_taken_once_and_none_after_the_end(site: Site) -> None:
    """While others go on: what a run wrote meanwhile is taken with the next step."""
    runs = [await site.run() for _ in range(3)]
    for number in range(20):
        for run in runs:
            run.write(b"%d\n" % number)
        await asyncio.sleep(0)
    for run in runs:
        run.end()
        await run.assert_whole()
    assert site.outputs.asked == site.outputs.advances
    assert sum(advance.end is not None for advance in site.outputs.asked) == 3


async def test_many_runs_are_archived_together(site: Site) -> None:
    """One that fills batches does not keep the others waiting for ever."""
    generator = random.Random(1)
    runs = [await site.run() for _ in range(20)]
    runs[0].write(generator.randbytes(2 * archiver.BATCH_BYTES))
    for run in runs[1:]:
        run.write(generator.randbytes(generator.randint(0, 10_000)))
    for run in runs:
        run.end()
    for run in runs:
        await run.assert_whole()


@pytest.mark.parametrize("watched", [False, True])
async def test_the_archive_rests_only_for_who_watches_a_quiet_run(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, watched: bool
) -> None:
    rests: list[float] = []

    def no_rest(waited_seconds: float) -> float:
        rests.append(waited_seconds)
        return 0.0

    monkeypatch.setattr(archiver, "rest_seconds", no_rest)
    loud, quiet = await site.run(), await site.run()
    with loud.log.acquire(), quiet.log.acquire() if watched else nullcontext():
        loud.write(b"0123456789abcde\n" * (2 * archiver.BATCH_BYTES // 16))
        loud.end()
        await loud.assert_whole()
    assert bool(rests) == watched
    quiet.end()
    await quiet.assert_whole()


@pytest.mark.parametrize("seed", range(10))
async def test_lost_calls_and_answers_neither_lose_nor_double(site: Site, seed: int) -> None:
    """Of several runs at a time; the database is away as often as not."""
    generator = random.Random(seed)
    site.outputs.lose = lambda _call: generator.random() < 0.4
    runs = [await site.run() for _ in range(3)]
    for _ in range(8):
        for run in runs:
            run.write(generator.randbytes(generator.randint(1, 9000)))
        await asyncio.gather(*(run.archived() for run in runs if generator.random() < 0.5))
    for run in runs:
        run.end()
    for run in runs:
        await run.assert_whole()
        assert await site.preview(run.id) == expected_preview(run.written)


@pytest.mark.parametrize("seed", range(10))
async def test_reading_ahead_of_lost_calls_neither_loses_nor_doubles(
    site: Site, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Of runs that have ended with many batches still to be archived."""
    monkeypatch.setattr(archiver, "BATCH_BYTES", 3000)
    monkeypatch.setattr(site.archiver, "_packing", Packing(PREVIEW_BYTES, 700))
    generator = random.Random(seed)
    site.outputs.lose = lambda _call: generator.random() < 0.3
    runs = [await site.run() for _ in range(3)]
    for run in runs:
        run.write(generator.randbytes(generator.randint(1, 40_000)))
        run.end()
    for run in runs:
        await run.assert_whole()
        assert await site.preview(run.id) == expected_preview(run.written)


async def test_another_owner_fences_one_that_reads_ahead(
    site: Site, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setattr(archiver, "BATCH_BYTES", 1000)
    appended = 0

    def take_over_at_the_third(call: str) -> bool:
        nonlocal appended
        appended += call == "appended"
        if (call, appended) == ("appended", 3):
            execute(database_url, "UPDATE commands_info SET epoch = epoch + 1")
        return False

    site.outputs.lose = take_over_at_the_third
    run = await site.run()
    run.write(b"x" * 10_000)
    run.end()
    assert not await run.followed()
    assert (await site.stored(run.id)).state is RunState.RUNNING
    archived = await site.output(run.id)
    assert archived == run.written[: len(archived)]
    assert 0 < len(archived) < 10_000


async def test_a_lost_answer_to_the_end_is_found_out(site: Site) -> None:
    """The run is final already when it is asked; and the first question is lost as well."""
    run = await site.run()
    run.write(b"all\n")
    await run.archived()
    to_lose = ["appended", "positions", "positions"]
    site.outputs.lose = lambda call: to_lose[:1] == [call] and bool(to_lose.pop(0))
    run.end()
    await run.assert_whole()
    assert not to_lose


async def test_another_owner_fences_this_one(site: Site) -> None:
    """What this one writes afterwards does not reach the database, and the run is left alone."""
    run = await site.run()
    run.write(b"one\n")
    await run.archived()
    await RunRepository(site.database).take_over([run.id], "there")
    run.write(b"two\n")
    run.end()
    assert not await run.followed()
    stored = await site.stored(run.id)
    assert (stored.state, stored.host, stored.output_bytes) == (RunState.RUNNING, "there", 4)
    assert await site.output(run.id) == b"one\n"
    assert run.live.run.state is RunState.RUNNING


async def test_a_run_that_was_deleted_is_left(site: Site) -> None:
    run = await site.run()
    await site.database.fetch_all("DELETE FROM commands_info RETURNING id")
    run.write(b"one\n")
    run.end()
    assert not await run.followed()


async def test_a_spool_that_is_shorter_than_its_archive_ends_where_that_does(
    site: Site,
) -> None:
    """The machine lost its power: the file's last bytes are gone, the database's are not."""
    run = await site.run()
    run.write(b"one\ntwo\n")
    await run.archived()
    await cancel_and_wait(run.following)
    os.truncate(site.spool.output_path(str(run.id)), 2)
    again = LiveLog(site, await site.stored(run.id))
    again.end()
    assert await again.followed()
    assert await site.output(run.id) == b"one\ntwo\n"
    stored = await site.stored(run.id)
    assert (stored.state, stored.output_bytes) == (RunState.SUCCEEDED, 8)


async def test_an_output_that_was_cut_ends_where_it_was_and_says_so(site: Site) -> None:
    """Somebody cut it before it was archived; what is left is kept."""
    site.outputs.lose = lambda _call: True
    run = await site.run()
    run.write(b"one\ntwo\n")
    os.truncate(site.spool.output_path(str(run.id)), 4)
    run.end(3)
    site.outputs.lose = lambda _call: False
    assert await run.followed()
    stored = await site.stored(run.id)
    assert (stored.state, stored.output_bytes, stored.exitcode) == (RunState.LOST, 4, None)
    assert "from byte 4 on is not stored (somebody" in str(stored.reason)
    assert "exit 3" in str(stored.reason)
    assert await site.output(run.id) == b"one\n"


async def test_archiving_goes_on_where_the_last_server_stopped(site: Site) -> None:
    run = await site.run()
    run.write("one\n€".encode()[:-1])
    await run.archived()
    await cancel_and_wait(run.following)
    again = LiveLog(site, await site.stored(run.id))
    again.written = run.written
    again.write("€\n".encode()[-2:])
    again.end()
    await again.assert_whole()
    assert await site.preview(run.id) == "one\n€\n"


async def test_the_end_of_the_service_archives_what_was_written(site: Site) -> None:
    run = await site.run()
    await until(lambda: len(site.outputs.advances) == 1)
    await cancel_and_wait(site.archiving)
    run.write(b"last words")
    await asyncio.sleep(0)
    await site.archiver.flush()
    assert await site.output(run.id) == b"last words"
    assert (await site.stored(run.id)).state is RunState.RUNNING
    await cancel_and_wait(run.following)


async def test_the_end_of_the_service_does_not_wait_for_the_database(site: Site) -> None:
    site.outputs.lose = lambda call: call == "append"
    run = await site.run()
    await cancel_and_wait(site.archiving)
    run.write(b"last words")
    async with patience():
        await site.archiver.flush()
    assert await site.output(run.id) == b""
    await cancel_and_wait(run.following)


async def test_for_how_long_archiving_has_failed_is_told(site: Site) -> None:
    away = True
    site.outputs.lose = lambda _call: away
    run = await site.run()
    await until(lambda: site.archiver.lag_seconds > 0)
    away = False
    await until(lambda: site.archiver.lag_seconds == 0)
    run.end()
    await run.assert_whole()
