"""The pump between a run's pipe and its output file."""

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from server.keeper.records import Limits
from server.keeper.run import pump as pump_module
from server.keeper.run.pump import LARGE_PIPE_BYTES, PIPE_BYTES, Pump, free_bytes, loud_mover
from server.keeper.trash import Trash
from tests.support.waiting import patience


class Bench:
    """A pump in a directory, and what it said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.causes: list[str] = []
        self.mover = loud_mover()
        self.sole = False
        os.mkfifo(directory / "pipe")
        (directory / "output").touch()

    def pump(self, limits: Limits | None = None) -> Pump:
        trash = Trash(self.directory / "trash")
        return Pump(
            self.directory,
            limits or Limits(),
            trash,
            self.causes.append,
            self.mover,
            lambda: self.sole,
        )

    def write(self, data: bytes) -> None:
        pipe = os.open(self.directory / "pipe", os.O_WRONLY)
        os.write(pipe, data)
        os.close(pipe)

    @property
    def output(self) -> bytes:
        return (self.directory / "output").read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def settled(condition: Callable[[], bool]) -> None:
    async with patience():
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)  # the loop moves it meanwhile


async def test_what_is_written_is_moved(bench: Bench) -> None:
    pump = bench.pump()
    pump.start()
    bench.write(b"abc\0")
    await settled(lambda: bench.output == b"abc\0")
    assert pump.output.output_bytes == 4
    pump.close()


async def test_draining_moves_what_is_there_and_does_not_wait(bench: Bench) -> None:
    pump = bench.pump()
    pump.drain()
    bench.write(b"x" * 1000)
    pump.drain()
    assert (pump.output.output_bytes, bench.output) == (1000, b"x" * 1000)
    pump.close()


async def test_a_later_pump_goes_on_at_the_end(bench: Bench) -> None:
    first = bench.pump()
    bench.write(b"one")
    first.drain()
    bench.write(b"two")
    second = bench.pump()
    first.close()
    second.drain()
    assert (second.output.output_bytes, bench.output) == (6, b"onetwo")
    second.close()


async def test_a_pipe_grows_once_it_was_full(bench: Bench) -> None:
    pump = bench.pump()
    bench.write(b"x")
    pump.drain()
    assert fcntl.fcntl(pump.pipe, fcntl.F_GETPIPE_SZ) == PIPE_BYTES
    bench.write(b"x" * PIPE_BYTES)
    pump.drain()
    assert fcntl.fcntl(pump.pipe, fcntl.F_GETPIPE_SZ) == LARGE_PIPE_BYTES
    pump.close()


async def test_a_pipe_that_may_not_grow_serves_as_well(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    pump = bench.pump()
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    for _ in range(2):
        bench.write(b"x" * PIPE_BYTES)
        pump.drain()
    assert len(bench.output) == 2 * PIPE_BYTES
    pump.close()


@pytest.mark.parametrize("written", [5, 6, 7, 1000])
async def test_the_bound_is_kept_to_the_byte_and_the_rest_thrown_away(
    bench: Bench, written: int
) -> None:
    pump = bench.pump(Limits(max_output_bytes=6))
    bench.write(b"x" * written)
    pump.drain()
    assert len(bench.output) == pump.output.output_bytes == min(written, 6)
    assert bench.causes == (["output_limit"] if written > 6 else [])
    pump.close()


async def test_a_bound_is_told_once(bench: Bench) -> None:
    pump = bench.pump(Limits(max_output_bytes=1))
    for _ in range(3):
        bench.write(b"xx")
        pump.drain()
    assert bench.causes == ["output_limit"]
    pump.close()


async def test_free_space_is_looked_at_now_and_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10]
    monkeypatch.setattr(pump_module, "free_bytes", lambda _: free[0])
    monkeypatch.setattr(pump_module, "FREE_CHECK_BYTES", 100)
    pump = bench.pump(Limits(min_free_bytes=10))
    for expected in (0, 1):
        bench.write(b"x" * 150)
        pump.drain()
        assert len(bench.causes) == expected
        free[0] = 9
    bench.write(b"thrown away")
    pump.drain()
    assert (bench.causes, pump.output.output_bytes) == (["disk_full"], 300)
    pump.close()


async def test_an_output_that_cannot_be_written_is_a_full_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    pump = bench.pump()
    monkeypatch.setattr(os, "splice", refuse)
    bench.write(b"x")
    pump.drain()
    assert bench.causes == ["disk_full"]
    assert "output not written" in caplog.text
    pump.close()


class Held:
    """Holds the thread that moves what is loud."""

    def __init__(self, bench: Bench) -> None:
        self._go = threading.Event()
        bench.mover.submit(self._go.wait)

    def release(self) -> None:
        """Let it go on."""
        self._go.set()


async def test_a_loud_run_does_not_keep_a_quiet_one_waiting(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    held = Held(bench)
    quiet_bench = Bench(tmp_path_factory.mktemp("quiet"))
    quiet_bench.mover = bench.mover
    loud, quiet = bench.pump(), quiet_bench.pump()
    for pump in (loud, quiet):
        pump.start()
    bench.write(b"x" * PIPE_BYTES)
    await settled(lambda: loud.moving)
    quiet_bench.write(b"line\n")
    await settled(lambda: quiet_bench.output == b"line\n")
    assert (bench.output, loud.output.output_bytes) == (b"", 0)
    held.release()
    await loud.settle()
    assert len(bench.output) == loud.output.output_bytes == PIPE_BYTES
    for pump in (loud, quiet):
        pump.close()


async def test_a_loud_run_without_others_needs_no_thread(bench: Bench) -> None:
    held = Held(bench)
    bench.sole = True
    pump = bench.pump()
    pump.start()
    bench.write(b"x" * PIPE_BYTES)
    await settled(lambda: len(bench.output) == PIPE_BYTES)
    assert not pump.moving
    held.release()
    pump.close()


async def test_what_the_thread_is_moving_is_not_mended_away(bench: Bench) -> None:
    held = Held(bench)
    pump = bench.pump()
    pump.start()
    bench.write(b"x" * PIPE_BYTES)
    await settled(lambda: pump.moving)
    with (bench.directory / "output").open("ab") as output:
        output.write(bytes(2 * PIPE_BYTES))
    pump.mend()
    held.release()
    await pump.settle()
    assert (len(bench.output), pump.output.changed) == (PIPE_BYTES, True)
    pump.close()


async def test_files_stay_open_while_the_thread_uses_them(bench: Bench) -> None:
    held = Held(bench)
    pump = bench.pump()
    pump.start()
    bench.write(b"x" * PIPE_BYTES)
    await settled(lambda: pump.moving)
    pump.close()
    assert pump.pipe >= 0
    held.release()
    await pump.settle()
    assert (pump.pipe, len(bench.output)) == (-1, PIPE_BYTES)


async def test_what_the_thread_cannot_write_is_a_full_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "splice", refuse)
    pump = bench.pump()
    pump.start()
    bench.write(b"x" * PIPE_BYTES)
    await settled(lambda: bench.causes == ["disk_full"])
    pump.close()


async def test_a_loud_run_is_bounded_to_the_byte(bench: Bench) -> None:
    pump = bench.pump(Limits(max_output_bytes=PIPE_BYTES + 1))
    pump.start()
    for _ in range(2):
        bench.write(b"x" * PIPE_BYTES)
        await settled(lambda: pump.output.output_bytes >= PIPE_BYTES and not pump.moving)
    await settled(lambda: bench.causes == ["output_limit"])
    assert len(bench.output) == PIPE_BYTES + 1
    pump.close()


def test_free_bytes_are_those_of_the_disk(tmp_path: Path) -> None:
    facts = os.statvfs(tmp_path)
    assert 0 < free_bytes(tmp_path) <= facts.f_blocks * facts.f_frsize
